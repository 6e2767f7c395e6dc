package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// startTimeout bounds a cold start: initdb, migrations and a first partition on a busy disk.
	startTimeout = 90 * time.Second
	// stopTimeout bounds a stop: what is under way is drained, then the stores are stopped.
	stopTimeout = 45 * time.Second
)

// A process is one run of the binary.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	done   chan struct{} // closed when it has ended
}

// launch says how to run the binary besides its arguments.
type launch struct {
	env     []string                   // added to a plain environment without variables of the gateway's
	wrap    []string                   // a command that is given the binary and its arguments, to run it
	prepare func(*syscall.SysProcAttr) // for another account, another view of the machine
}

// run starts the binary. It is killed with the test when it has not ended before; of a failed test its last words are
// logged.
func run(t testing.TB, l launch, args ...string) *process {
	t.Helper()
	command := append(append(l.wrap[:len(l.wrap):len(l.wrap)], binary), args...)
	p := &process{t: t, cmd: exec.Command(command[0], command[1:]...), stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	p.cmd.Dir = "/"
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}, l.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.WaitDelay = 5 * time.Second // its children hold the pipes too
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if l.prepare != nil {
		l.prepare(p.cmd.SysProcAttr)
	}
	dieWithTests(p.cmd.SysProcAttr)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the kernel takes the end of this thread for the end of the tests
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
			p.stdout.end()
			p.stderr.end()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			p.stop(syscall.SIGTERM)
		}
		if strings.Contains(p.stderr.String(), "WARNING: DATA RACE") {
			t.Errorf("a data race in aihigress %s:\n%s", strings.Join(args, " "), p.stderr)
		} else if t.Failed() {
			t.Logf("last words of aihigress %s:\n%s", strings.Join(args, " "), p.stderr.tail(60))
		}
	})
	return p
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%v: %v", sig, err)
	}
}

// stop sends the signal and returns the exit code: -1 where the signal itself ended the process.
func (p *process) stop(sig syscall.Signal) int {
	p.t.Helper()
	p.signal(sig)
	return p.wait(stopTimeout)
}

// kill ends the process as a crash does: it has no say in it.
func (p *process) kill() {
	p.t.Helper()
	if code := p.stop(syscall.SIGKILL); code != -1 {
		p.t.Errorf("killed, it exited with %d", code)
	}
}

// wait returns the exit code once the process has ended by itself.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	timeout := time.NewTimer(patience(within))
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Errorf("%v did not end within %s", p.cmd.Args[1:], patience(within))
	}
	return p.cmd.ProcessState.ExitCode()
}

// finish runs the binary to its end and returns its exit code and what it said.
func finish(t testing.TB, l launch, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := run(t, l, args...)
	code = p.wait(startTimeout)
	return code, p.stdout.String(), p.stderr.String()
}

// output keeps what a process writes and lets others wait for lines of it.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended bool
	more  chan struct{} // closed, and made anew, with every change
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed()
	return o.text.Write(p)
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed()
}

func (o *output) changed() {
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tail is the last n lines, without those that tell of a request that went well.
func (o *output) tail(n int) string {
	lines := slices.DeleteFunc(strings.SplitAfter(o.String(), "\n"), func(line string) bool {
		return (strings.Contains(line, `"msg":"request"`) || strings.Contains(line, "msg=request ")) && strings.Contains(line, "200")
	})
	return strings.Join(lines[max(0, len(lines)-n-1):], "")
}

// line waits for a whole line that is wanted. false means that the process ended, or ctx did, without one.
func (o *output) line(ctx context.Context, wanted func(string) bool) (string, bool) {
	read := 0
	for {
		o.mu.Lock()
		text, ended, more := o.text.String(), o.ended, o.more
		o.mu.Unlock()
		for {
			line, _, whole := strings.Cut(text[read:], "\n")
			if !whole {
				break
			}
			read += len(line) + 1
			if wanted(line) {
				return line, true
			}
		}
		if ended {
			return "", false
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", false
		}
	}
}
