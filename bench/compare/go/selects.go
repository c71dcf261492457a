// SPDX-License-Identifier: MIT

package main

import "time"

// selectReady takes from whichever of two channels has a value; both have.
func selectReady() measurement {
	const filled, taken = 1024, 512
	a, b := make(chan uint64, filled), make(chan uint64, filled)
	fill := func(ch chan uint64) {
		for len(ch) < filled {
			ch <- 1
		}
	}
	once := func() time.Duration {
		sum := uint64(0)
		start := time.Now()
		for i := 0; i < taken; i++ {
			select {
			case n := <-a:
				sum += n
			case n := <-b:
				sum += n
			}
		}
		elapsed := time.Since(start)
		if sum != taken {
			fail("a value was lost")
		}
		return elapsed
	}
	rounds := scaled(2000, 4)
	var elapsed time.Duration
	for i := 0; i < 2*rounds; i++ {
		fill(a)
		fill(b)
		took := once()
		if i >= rounds {
			elapsed += took // the first half warms up
		}
	}
	return measurement{elapsed: elapsed, items: rounds * taken}
}

// selectBlocked waits at five channels, of which one gets a value, again and again.
func selectBlocked() measurement {
	var idle [4]chan uint64
	for i := range idle {
		idle[i] = make(chan uint64)
	}
	busy, sum := make(chan uint64), make(chan uint64)
	go func() {
		total := uint64(0)
		for {
			select {
			case n := <-idle[0]:
				total += n
			case n := <-idle[1]:
				total += n
			case n := <-idle[2]:
				total += n
			case n := <-idle[3]:
				total += n
			case n, open := <-busy:
				if !open {
					sum <- total
					return
				}
				total += n
			}
		}
	}()
	count := scaled(500_000, 500)
	seen := twice(count, func() {
		for i := 0; i < count; i++ {
			busy <- 1
		}
	})
	close(busy)
	if <-sum != uint64(2*count) {
		fail("a value was lost")
	}
	return seen
}
