package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// childrenCPU is the CPU time that our children of a name have used with all of theirs, those that ended included: a server
// of several processes.
func childrenCPU(name string) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	children := map[int][]procStat{}
	for _, file := range stats {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		s, err := parseStat(string(raw))
		if err != nil {
			return 0, err
		}
		s.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file))) // digits
		children[s.parent] = append(children[s.parent], s)
	}
	var sum time.Duration
	var add func(s procStat)
	add = func(s procStat) {
		sum += s.own + s.ended
		for _, c := range children[s.pid] {
			add(c)
		}
	}
	for _, s := range children[os.Getpid()] {
		if s.name == name {
			add(s)
		}
	}
	return sum, nil
}
