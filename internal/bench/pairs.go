package main

import (
	"fmt"
	"math"

	"aihigress/internal/dialect"
)

const (
	simModel = "sim-bench" // the simulator's answer that is always the same
	// pairsAtOnce is how many callers a pair has at a time.
	pairsAtOnce = 32
	smallBody   = 2 << 10
)

// A pair is a caller's dialect and an upstream's. Where they are the same the call passes through.
type pair struct{ caller, target dialect.Dialect }

// pairLoads are all pairs of dialects, whole and streamed, with small requests and large ones.
func pairLoads() ([]load, error) {
	var loads []load
	for _, size := range []int{smallBody, largeBody} {
		request, err := conversation(size)
		if err != nil {
			return nil, err
		}
		for _, stream := range []bool{false, true} {
			for _, caller := range dialects {
				for _, target := range dialects {
					model := "to-" + target.Name()
					body, err := encoded(caller, request, model, stream)
					if err != nil {
						return nil, err
					}
					loads = append(loads, load{
						name: fmt.Sprintf("%s, %s to %s", setting(size, stream), caller.Name(), target.Name()), model: model,
						concurrency: pairsAtOnce, streamed: stream, padding: size,
						pair: &pair{caller, target}, path: path(caller, model, stream), request: body, ending: ending(caller, stream),
					})
				}
			}
		}
	}
	return loads, nil
}

func setting(size int, stream bool) string {
	return fmt.Sprintf("%d KB %s", size>>10, map[bool]string{false: "whole", true: "streamed"}[stream])
}

// reportPairs prints what translation costs beside the pass-through of the same caller's dialect.
func reportPairs(loads []load, results map[string][]*tally) {
	fmt.Printf("\n| request and answer | caller | measure |")
	for _, d := range dialects {
		fmt.Printf(" to %s |", d.Name())
	}
	fmt.Printf("\n|---|---|---|%s\n", "---:|---:|---:|---:|")
	worst := map[string]float64{}
	at := map[string]string{}
	ratios := map[string][]float64{}
	for i := 0; i+len(dialects) <= len(loads); i += len(dialects) {
		row := loads[i : i+len(dialects)] // one caller with all targets
		kind, caller := setting(row[0].padding, row[0].streamed), row[0].pair.caller
		own := passThrough(row, results)
		fmt.Printf("| %s | %s | requests per second |", kind, caller.Name())
		for _, l := range row {
			rate := results[l.name][0].perSecond()
			if l.pair.target == caller {
				fmt.Printf(" %.0f /s |", rate)
				continue
			}
			ratio := rate / own.perSecond()
			ratios[kind] = append(ratios[kind], ratio)
			if w, ok := worst[kind]; !ok || ratio < w {
				worst[kind], at[kind] = ratio, caller.Name()+" to "+l.pair.target.Name()
			}
			fmt.Printf(" **%.2f** |", ratio)
		}
		fmt.Printf("\n| %s | %s | CPU per call |", kind, caller.Name())
		for _, l := range row {
			if each := results[l.name][0].cpuEach(); l.pair.target == caller {
				fmt.Printf(" %.0f µs |", each)
			} else {
				fmt.Printf(" %.2f |", each/own.cpuEach())
			}
		}
		fmt.Println()
	}
	for _, size := range []int{smallBody, largeBody} {
		for _, stream := range []bool{false, true} {
			if kind := setting(size, stream); at[kind] != "" {
				fmt.Printf("\nAll pairs at %s: **%.2f** of the requests per second in the mean; the slowest is %s with **%.2f**.", kind, mean(ratios[kind]), at[kind], worst[kind])
			}
		}
	}
	broken := 0
	for _, l := range loads {
		broken += results[l.name][0].broken
	}
	fmt.Printf("\n\nBroken calls of all pairs: %d.\n", broken)
}

// mean is the geometric mean of ratios. Each dialect is the caller's as often as it is the vendor's, so that what the simulator takes
// for one of them more than for another has no part in it.
func mean(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

// passThrough is the tally of the pair that needs no translation.
func passThrough(row []load, results map[string][]*tally) *tally {
	for _, l := range row {
		if l.pair.target == l.pair.caller {
			return results[l.name][0]
		}
	}
	return &tally{}
}
