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
