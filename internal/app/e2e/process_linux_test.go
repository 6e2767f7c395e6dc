package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dieWithTests has the kernel kill the process when the tests are killed, so that nothing is left of them.
func dieWithTests(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// lodgers lists the processes that work in a folder or hold a file in it open, with what they are.
func lodgers(dir string) []string {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		panic(err) // the pattern is constant
	}
	var found []string
	for _, proc := range dirs {
		if filepath.Base(proc) == strconv.Itoa(os.Getpid()) {
			continue
		}
		links, _ := filepath.Glob(proc + "/fd/*") // none of a process that has ended, or is not ours
		for _, link := range append(links, proc+"/cwd") {
			if target, err := os.Readlink(link); err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
				name, _ := os.ReadFile(proc + "/comm")
				found = append(found, filepath.Base(proc)+" "+strings.TrimSpace(string(name)))
				break
			}
		}
	}
	return found
}

// resident is the memory that a process has in use, in bytes, without what it has mapped of files; 0 where it cannot be told.
func resident(pid int) int64 {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
