// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// on runs it with so many processors.
func on(processors int, run func() measurement) measurement {
	before := runtime.GOMAXPROCS(processors)
	defer runtime.GOMAXPROCS(before)
	return run()
}

// taskAwait starts a goroutine and waits for what it sends.
func taskAwait() measurement {
	count := scaled(1_000_000, 1000)
	return twice(count, func() {
		answer := make(chan int)
		for i := 0; i < count; i++ {
			go func() { answer <- i }()
			<-answer
		}
	})
}

func skynetNode(to chan<- int, first, size int) {
	if size == 1 {
		to <- first
		return
	}
	sums := make(chan int, 10)
	for i := 0; i < 10; i++ {
		go skynetNode(sums, first+i*(size/10), size/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	to <- sum
}

func skynet() measurement {
	leaves := 1_000_000
	if scaled(10, 1) < 10 {
		leaves = 1_000
	}
	return twice(leaves, func() {
		sum := make(chan int, 1)
		go skynetNode(sum, 0, leaves)
		<-sum
	})
}

func pingPong() measurement {
	count := scaled(300_000, 1000)
	return twice(count, func() {
		there, back := make(chan int), make(chan int)
		go func() {
			for i := 0; i < count; i++ {
				back <- <-there
			}
		}()
		for i := 0; i < count; i++ {
			there <- 1
			<-back
		}
	})
}

func channelOfPairs(capacity, pairs int) measurement {
	each := scaled(1_000_000, 1000) / pairs
	return twice(each*pairs, func() {
		through := make(chan int, capacity)
		var ended sync.WaitGroup
		ended.Add(2 * pairs)
		for p := 0; p < pairs; p++ {
			go func() {
				defer ended.Done()
				for i := 0; i < each; i++ {
					through <- i
				}
			}()
			go func() {
				defer ended.Done()
				sum := 0
				for i := 0; i < each; i++ {
					sum += <-through
				}
			}()
		}
		ended.Wait()
	})
}

func selectTwo() measurement {
	each := scaled(500_000, 1000)
	return twice(2*each, func() {
		a, b := make(chan int), make(chan int)
		for _, to := range []chan int{a, b} {
			to := to
			go func() {
				for i := 0; i < each; i++ {
					to <- i
				}
			}()
		}
		for i := 0; i < 2*each; i++ {
			select {
			case <-a:
			case <-b:
			}
		}
	})
}

func residentBytes() int {
	var total, resident int
	statm, err := os.Open("/proc/self/statm")
	if err != nil {
		return 0
	}
	defer statm.Close()
	fmt.Fscan(statm, &total, &resident)
	return resident * os.Getpagesize()
}

// blocked starts a million goroutines that wait for a channel.
func blocked() measurement {
	count := scaled(1_000_000, 1000)
	never := make(chan int)
	var started, ended sync.WaitGroup
	started.Add(count)
	ended.Add(count)
	before := residentBytes()
	start := time.Now()
	for i := 0; i < count; i++ {
		go func() {
			started.Done()
			<-never
			ended.Done()
		}()
	}
	started.Wait()
	elapsed := time.Since(start)
	bytes := float64(residentBytes()-before) / float64(count)
	close(never)
	ended.Wait()
	return measurement{elapsed: elapsed, items: count, bytes: bytes}
}

func coroutines(workers int) []work {
	name := func(what string, workers int, more string) string {
		return fmt.Sprintf("compare/%s/go/workers:%d%s/unpinned", what, workers, more)
	}
	all := []work{
		{name("task_await", 1, ""), func() measurement { return on(1, taskAwait) }},
		{name("skynet", workers, ""), skynet},
		{name("ping_pong", 1, ""), func() measurement { return on(1, pingPong) }},
	}
	for _, capacity := range []int{0, 1024} {
		for _, pairs := range []int{1, 4} {
			capacity, pairs := capacity, pairs
			all = append(all, work{
				name("channel", workers, fmt.Sprintf("/capacity:%d/pairs:%d", capacity, pairs)),
				func() measurement { return channelOfPairs(capacity, pairs) }})
		}
	}
	return append(all, work{name("select_two", workers, ""), selectTwo},
		work{name("blocked", workers, ""), blocked})
}
