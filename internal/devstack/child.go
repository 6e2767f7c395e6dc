package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a server process that lives no longer than this one.
type child struct {
	name   string
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when the process has ended
	err    error         // how it ended; read after done
}

// startChild starts cmd in a process group of its own, so that the terminal's
// Ctrl-C reaches only us and we stop it in order, and bound to our life by sig.
// One goroutine owns the process until it has ended.
func startChild(name string, cmd *exec.Cmd, sig syscall.Signal, log *slog.Logger) (*child, error) {
	c := &child{name: name, cmd: cmd, output: &output{log: log, name: name}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = c.output, c.output
	// Its own children hold the pipe too; one that hangs must not hang us.
	cmd.WaitDelay = 5 * time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr, sig)

	started := make(chan error, 1)
	go func() {
		// The kernel signals the child when the thread that forked it ends, not the
		// process: the thread must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// run runs cmd to its end as a child. It is killed when its context ends.
func run(name string, cmd *exec.Cmd, log *slog.Logger) error {
	c, err := startChild(name, cmd, syscall.SIGKILL, log)
	if err != nil {
		return err
	}
	<-c.done
	if c.err != nil {
		return c.failure()
	}
	return nil
}

// stop asks the process to end and waits for it. When ctx ends first, firm
// follows, and the error says so.
func (c *child) stop(ctx context.Context, gentle, firm syscall.Signal) error {
	c.signal(gentle)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	c.signal(firm)
	select {
	case <-c.done:
		return fmt.Errorf("stop %s: forced: %w", c.name, ctx.Err())
	case <-time.After(firmTimeout):
		return fmt.Errorf("stop %s: process %d does not end", c.name, c.cmd.Process.Pid)
	}
}

// firmTimeout is above the 5 s after which a Postgres told to quit kills its
// own children.
const firmTimeout = 10 * time.Second

func (c *child) signal(sig os.Signal) {
	// The one possible error is that it has ended, which is what we want.
	_ = c.cmd.Process.Signal(sig)
}

// failure describes the end of a process that should have gone on, in its own
// last words.
func (c *child) failure() error {
	how := c.err
	if how == nil {
		how = errors.New("it ended")
	}
	if words := c.output.tail(); words != "" {
		return fmt.Errorf("%s: %w: %s", c.name, how, words)
	}
	return fmt.Errorf("%s: %w", c.name, how)
}

// output passes a process's lines on to the log and keeps the last ones.
type output struct {
	log  *slog.Logger
	name string

	mu   sync.Mutex
	kept []byte // at most outputKept bytes
	line []byte // unfinished line, at most outputKept bytes
}

const outputKept = 2 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = lastBytes(append(o.kept, p...))
	o.line = append(o.line, p...)
	for {
		line, rest, ok := bytes.Cut(o.line, []byte("\n"))
		if !ok {
			break
		}
		if text := strings.TrimSpace(string(line)); text != "" {
			o.log.Debug(text, "process", o.name)
		}
		o.line = rest
	}
	o.line = lastBytes(o.line)
	return len(p), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.kept))
}

func lastBytes(b []byte) []byte {
	if len(b) <= outputKept {
		return b
	}
	return append([]byte(nil), b[len(b)-outputKept:]...)
}
