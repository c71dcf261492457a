// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const backlog = 1024 // what a Go programmer gives a channel that should not block often

// works are run with as many processors as workers. Tasks are empty but for the count that tells
// when all have run.
func works(workers int) []work {
	name := func(what, more string) string {
		return fmt.Sprintf("compare/%s/go/workers:%d%s", what, workers, more)
	}
	all := []work{
		{name("spawn_inside", "/unpinned"), spawnInside},
		{name("task_group", "/unpinned"), taskGroup},
		{name("fan_out_fan_in", "/unpinned"), func() measurement { return fanOutFanIn(workers) }},
		{name("wake_parked", "/unpinned"), wakeParked},
		{name("submit_wait", "/unpinned"), submitWait},
		{name("cancel_to_quiet", ""), func() measurement { return cancelToQuiet(workers) }},
		{name("cancel_tree", ""), cancelTree},
		{name("select_ready", "/unpinned"), selectReady},
		{name("select_blocked", "/unpinned"), selectBlocked},
	}
	for _, threads := range []int{1, 2} {
		threads := threads
		all = append(all, work{name("timer_arm_cancel", fmt.Sprintf("/threads:%d/unpinned", threads)),
			func() measurement { return timerArmCancel(threads) }})
	}
	for _, producers := range []int{1, 2, 4} {
		producers := producers
		all = append(all, work{name("submit_external", fmt.Sprintf("/producers:%d/unpinned", producers)),
			func() measurement { return submitExternal(workers, producers) }})
	}
	for _, s := range []struct{ senders, capacity int }{{1, 1024}, {4, 1024}, {1, 0}, {4, 0}} {
		s := s
		all = append(all, work{name("channel", fmt.Sprintf("/senders:%d/capacity:%d/unpinned", s.senders, s.capacity)),
			func() measurement { return throughChannel(s.senders, s.capacity) }})
	}
	return append(all, coroutines(workers)...)
}

// throughChannel sends numbers from some goroutines to as many others.
func throughChannel(senders, capacity int) measurement {
	full := 2_000_000
	if capacity == 0 {
		full = 100_000
	}
	each := scaled(full, 1000) / senders
	return twice(each*senders, func() {
		numbers := make(chan uint64, capacity)
		sums := make(chan uint64, senders)
		for i := 0; i < senders; i++ {
			go func() {
				for n := 0; n < each; n++ {
					numbers <- uint64(n)
				}
			}()
			go func() {
				sum := uint64(0)
				for n := 0; n < each; n++ {
					sum += <-numbers
				}
				sums <- sum
			}()
		}
		sum, expected := uint64(0), uint64(senders)*uint64(each)*uint64(each-1)/2
		for i := 0; i < senders; i++ {
			sum += <-sums
		}
		if sum != expected {
			fail("a number was lost or came twice")
		}
	})
}

// twice runs it once to warm up and once to measure.
func twice(items int, run func()) measurement {
	run()
	start := time.Now()
	run()
	return measurement{elapsed: time.Since(start), items: items}
}

// submitExternal is a pool of goroutines that read functions from a channel.
func submitExternal(workers, producers int) measurement {
	each := scaled(1_000_000, 1000) / producers
	jobs := make(chan func(), backlog)
	for i := 0; i < workers; i++ {
		go func() {
			for job := range jobs {
				job()
			}
		}()
	}
	defer close(jobs)
	var ran sync.WaitGroup
	return twice(each*producers, func() {
		ran.Add(each * producers)
		job := func() { ran.Done() }
		for i := 0; i < producers; i++ {
			go func() {
				for n := 0; n < each; n++ {
					jobs <- job
				}
			}()
		}
		ran.Wait()
	})
}

func spawnInside() measurement {
	count := scaled(1_000_000, 1000)
	return twice(count, func() {
		var ran sync.WaitGroup
		ran.Add(count)
		go func() {
			for n := 0; n < count; n++ {
				go ran.Done()
			}
		}()
		ran.Wait()
	})
}

// group is what errgroup is at its core.
type group struct {
	running sync.WaitGroup
	first   sync.Once
	problem error
}

func (g *group) spawn(job func() error) {
	g.running.Add(1)
	go func() {
		defer g.running.Done()
		if problem := job(); problem != nil {
			g.first.Do(func() { g.problem = problem })
		}
	}()
}

func (g *group) join() error {
	g.running.Wait()
	return g.problem
}

func taskGroup() measurement {
	count := scaled(1_000_000, 1000)
	return twice(count, func() {
		joined := make(chan error)
		go func() {
			var all group
			for n := 0; n < count; n++ {
				all.spawn(func() error { return nil })
			}
			joined <- all.join()
		}()
		if problem := <-joined; problem != nil {
			fail(problem)
		}
	})
}

func fanOutFanIn(workers int) measurement {
	count := scaled(1_000_000, 1000)
	return twice(count, func() {
		inputs, results := make(chan uint64, backlog), make(chan uint64, backlog)
		for i := 0; i < workers; i++ {
			go func() {
				for n := range inputs {
					results <- n
				}
			}()
		}
		go func() {
			for n := 0; n < count; n++ {
				inputs <- uint64(n)
			}
			close(inputs)
		}()
		sum, expected := uint64(0), uint64(count)*uint64(count-1)/2
		for n := 0; n < count; n++ {
			sum += <-results
		}
		if sum != expected {
			fail("a result was lost or came twice")
		}
	})
}

// clockCost is what two readings in a row differ by: the median of many.
func clockCost() time.Duration {
	costs := make([]time.Duration, 1001)
	for i := range costs {
		start := time.Now()
		costs[i] = time.Since(start)
	}
	sort.Slice(costs, func(i, j int) bool { return costs[i] < costs[j] })
	return costs[len(costs)/2]
}

func sample(count int, one func() time.Duration) measurement {
	cost := clockCost()
	samples := make([]time.Duration, count)
	for i := range samples {
		if samples[i] = one() - cost; samples[i] < 0 {
			samples[i] = 0
		}
	}
	return measurement{samples: samples}
}

func wakeParked() measurement {
	started := make(chan time.Time)
	return sample(scaled(1000, 60), func() time.Duration {
		time.Sleep(time.Millisecond)
		start := time.Now()
		go func() { started <- time.Now() }()
		return (<-started).Sub(start)
	})
}

func submitWait() measurement {
	return sample(scaled(20_000, 200), func() time.Duration {
		start := time.Now()
		result := make(chan int, 1)
		go func() { result <- 1 }()
		<-result
		return time.Since(start)
	})
}

// cancelToQuiet ends goroutines that poll; the thousand that wait for a turn see it first.
func cancelToQuiet(workers int) measurement {
	const waiting = 1000
	return sample(scaled(200, 20), func() time.Duration {
		ctx, cancel := context.WithCancel(context.Background())
		jobs := make(chan func(), waiting)
		var running int32
		var ended sync.WaitGroup
		poll := func() {
			atomic.AddInt32(&running, 1)
			for ctx.Err() == nil {
			}
		}
		ended.Add(workers)
		for i := 0; i < workers; i++ {
			go func() {
				defer ended.Done()
				for ctx.Err() == nil {
					(<-jobs)()
				}
			}()
			jobs <- poll
		}
		for atomic.LoadInt32(&running) < int32(workers) {
			time.Sleep(20 * time.Microsecond)
		}
		for i := 0; i < waiting-workers; i++ {
			jobs <- poll
		}
		start := time.Now()
		cancel()
		ended.Wait()
		return time.Since(start)
	})
}
