package devstack

import "syscall"

// dieWithParent has the kernel send sig to the process when the thread that
// starts it ends, which for a locked thread means when we end, however.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) {
	attr.Pdeathsig = sig
}
