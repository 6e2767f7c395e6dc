//go:build !linux

package e2e

import "syscall"

func dieWithTests(*syscall.SysProcAttr) {}

// lodgers cannot be told here.
func lodgers(string) []string { return nil }

// resident cannot be told here.
func resident(int) int64 { return 0 }
