package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is how long one unit of /proc's CPU times is: USER_HZ is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// A process is one target or the mock, apart from the rest so that its CPU time and memory can be read.
type process struct {
	name string
	cmd  *exec.Cmd
	addr string
	done chan struct{} // closed when it has ended
	err  error         // then: how
}

func start(ctx context.Context, name, ready string, env []string, program string, args ...string) (*process, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "ADDR", addr)
	}
	for i, e := range env {
		env[i] = strings.ReplaceAll(e, "ADDR", addr)
	}
	p := &process{name: name, addr: addr, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, args...) // ended by stop, in its turn
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	if err := p.await(ctx, ready); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// await waits until the process answers.
func (p *process) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode < http.StatusInternalServerError {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w", p.name, p.err)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.name, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// cpu is the CPU time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("CPU time can be read on Linux only: %w", err)
	}
	s, err := parseStat(string(raw))
	return s.own, err
}

// A procStat is what /proc/pid/stat says of a process.
type procStat struct {
	pid, parent int
	name        string
	own         time.Duration // CPU time
	ended       time.Duration // of children that have ended
}

func parseStat(text string) (procStat, error) {
	// The second field is the program's name in brackets and may hold spaces; the parent is the 4th, CPU times are the 14th to 17th.
	from, to := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	var fields []string
	if from >= 0 && to > from {
		fields = strings.Fields(text[to+1:])
	}
	if len(fields) < 15 {
		return procStat{}, errors.New("CPU time: unknown form of /proc/pid/stat")
	}
	s := procStat{name: text[from+1 : to]}
	var errs []error
	number := func(i int) int {
		n, err := strconv.Atoi(fields[i])
		errs = append(errs, err)
		return n
	}
	s.parent = number(1)
	s.own = time.Duration(number(11)+number(12)) * clockTick
	s.ended = time.Duration(number(13)+number(14)) * clockTick
	return s, errors.Join(errs...)
}

// memory is the resident set in MiB: "VmRSS" is now, "VmHWM" the highest since resetPeak.
func (p *process) memory(field string) (float64, error) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/pid/status", field)
}

// resetPeak makes VmHWM start again from now.
func (p *process) resetPeak() error {
	return os.WriteFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "clear_refs"), []byte("5"), 0)
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
