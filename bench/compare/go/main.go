// SPDX-License-Identifier: MIT

// The works of the comparison as a Go programmer would write them. It takes the options of
// Google Benchmark that the runner uses, and writes its format.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
)

// measurement is what one run of a work saw.
type measurement struct {
	elapsed time.Duration
	items   int
	samples []time.Duration // of a latency; nil for throughput
	bytes   float64         // of memory, for each item
}

type work struct {
	name string
	run  func() measurement
}

var scale = 1.0

func scaled(full, least int) int {
	n := int(float64(full) * scale)
	if n < least {
		return least
	}
	return n
}

// entry is one benchmark of Google Benchmark's JSON.
func entry(w work, m measurement) map[string]any {
	e := map[string]any{"name": w.name, "run_name": w.name, "run_type": "iteration",
		"iterations": 1, "threads": 1, "time_unit": "ns"}
	if m.samples != nil {
		sort.Slice(m.samples, func(i, j int) bool { return m.samples[i] < m.samples[j] })
		for name, p := range map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100} {
			e[name] = percentile(m.samples, p)
		}
		e["samples"] = len(m.samples)
		e["label"] = curve(m.samples)
		m.elapsed, m.items = time.Duration(percentile(m.samples, 50)), 1
	}
	if m.bytes != 0 {
		e["bytes"] = m.bytes
	}
	e["real_time"] = float64(m.elapsed)
	e["cpu_time"] = float64(m.elapsed)
	e["items_per_second"] = float64(m.items) / m.elapsed.Seconds()
	return e
}

func percentile(sorted []time.Duration, p float64) float64 {
	at := int(math.Ceil(p/100*float64(len(sorted)))) - 1
	if at < 0 {
		at = 0
	}
	return float64(sorted[at])
}

// curve has the percentiles that that many samples can show, as percentile:nanoseconds.
func curve(sorted []time.Duration) string {
	var points []string
	for _, p := range []float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9,
		99.95, 99.98, 99.99, 100} {
		if p < 100 && (100-p)/100*float64(len(sorted)) < 1 {
			continue
		}
		points = append(points, fmt.Sprintf("%v:%.0f", p, percentile(sorted, p)))
	}
	return strings.Join(points, ",")
}

func fail(problem any) {
	fmt.Fprintln(os.Stderr, "bench_go:", problem)
	os.Exit(2)
}

func main() {
	runtime.GOMAXPROCS(runtime.NumCPU())
	filter, out, list := regexp.MustCompile(""), "", false
	for _, argument := range os.Args[1:] {
		name, value, _ := strings.Cut(argument, "=")
		var problem error
		switch name {
		case "--benchmark_filter":
			filter, problem = regexp.Compile(value)
		case "--benchmark_out":
			out = value
		case "--benchmark_list_tests":
			list = true
		case "--scale":
			scale, problem = strconv.ParseFloat(value, 64)
		case "--benchmark_out_format", "--tree", "--treesum":
		default:
			problem = fmt.Errorf("unknown argument %s", argument)
		}
		if problem != nil {
			fail(problem)
		}
	}

	var entries []map[string]any
	for _, w := range works(runtime.NumCPU()) {
		switch {
		case !filter.MatchString(w.name):
		case list:
			fmt.Println(w.name)
		default:
			entries = append(entries, entry(w, w.run()))
		}
	}
	if out == "" {
		return
	}
	document, _ := json.Marshal(map[string]any{
		"context": map[string]any{"go": runtime.Version()}, "benchmarks": entries})
	if problem := os.WriteFile(out, document, 0o644); problem != nil {
		fail(problem)
	}
}
