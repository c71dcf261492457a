// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"time"
)

// cancelTree ends one context, ninety-nine below it and a hundred below each of those.
func cancelTree() measurement {
	const branches, leaves = 99, 100
	once := func() time.Duration {
		root, cancel := context.WithCancel(context.Background())
		keep := make([]context.CancelFunc, 0, branches*(leaves+1))
		for i := 0; i < branches; i++ {
			branch, stop := context.WithCancel(root)
			keep = append(keep, stop)
			for k := 0; k < leaves; k++ {
				_, stop := context.WithCancel(branch)
				keep = append(keep, stop)
			}
		}
		start := time.Now()
		cancel()
		elapsed := time.Since(start)
		for _, stop := range keep {
			stop()
		}
		return elapsed
	}
	for i := 0; i < 5; i++ {
		once()
	}
	return sample(scaled(200, 20), once)
}

// timerArmCancel starts a timer and stops it, with a thousand others running.
func timerArmCancel(threads int) measurement {
	const others = 1000
	for i := 0; i < others; i++ {
		t := time.AfterFunc(time.Minute+time.Duration(i)*37*time.Millisecond, func() {})
		defer t.Stop()
	}
	each := scaled(1_000_000, 1000) / threads
	return twice(each*threads, func() {
		var ended sync.WaitGroup
		ended.Add(threads)
		for i := 0; i < threads; i++ {
			go func() {
				defer ended.Done()
				for n := 0; n < each; n++ {
					if !time.AfterFunc(time.Minute, func() {}).Stop() {
						fail("a timer fired early")
					}
				}
			}()
		}
		ended.Wait()
	})
}
