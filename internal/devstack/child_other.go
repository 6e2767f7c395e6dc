//go:build unix && !linux

package devstack

import "syscall"

// dieWithParent does nothing: only Linux signals the children of a process that
// was killed. Elsewhere the next start in the same folder finds the survivor by
// its lock and stops it first.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
