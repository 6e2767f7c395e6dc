package usage

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"aihigress/internal/id"
)

// childSpool names the spool folder to a process that is to be killed; childUser, childAccount and childKey whose
// requests it writes.
const (
	childSpool   = "AIHIGRESS_TEST_SPOOL"
	childUser    = "AIHIGRESS_TEST_USER"
	childAccount = "AIHIGRESS_TEST_ACCOUNT"
	childKey     = "AIHIGRESS_TEST_KEY"
)

// child writes requests as fast as it can until it is killed, and says what has been acknowledged: a line with + when a
// request was admitted, one with = when it was finished.
func child(dir string) int {
	s, err := OpenSpool(dir, discard, SegmentSize(100_000))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h := &house{}
	h.user, _ = id.Parse[id.User](os.Getenv(childUser))
	h.account, _ = id.Parse[id.Account](os.Getenv(childAccount))
	h.key, _ = id.Parse[id.Key](os.Getenv(childKey))
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for {
				e := h.event(time.Now())
				if s.Admit(e) != nil {
					return
				}
				fmt.Printf("+%s\n", e.ID)
				if s.Finish(e) != nil {
					return
				}
				fmt.Printf("=%s\n", e.ID)
			}
		})
	}
	writers.Wait()
	return 1
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admitted, finished := map[id.Request]bool{}, map[id.Request]bool{}
	for _, lines := range []int{1, 2001, 5002} {
		h.kill(lines, admitted, finished)
	}
	s := openSpool(t, h.dir)
	must(t, h.booker(s).Drain(job(t.Context())))

	rows, err := h.pool.Query(t.Context(), `SELECT id, outcome FROM requests`)
	must(t, err)
	got := map[id.Request]Outcome{}
	for rows.Next() {
		var request id.Request
		var outcome string
		must(t, rows.Scan(&request, &outcome))
		got[request] = Outcome(outcome)
	}
	must(t, rows.Err())
	for request := range finished {
		if got[request] != OK {
			t.Errorf("%v was finished and is booked as %q", request, got[request])
		}
	}
	for request := range admitted {
		if outcome := got[request]; outcome != OK && outcome != Truncated {
			t.Errorf("%v was admitted and is booked as %q", request, outcome)
		}
	}
	if len(finished) < 3000 {
		t.Errorf("only %d requests were finished", len(finished))
	}
	h.ledgerAgrees(len(got))
}

// kill starts a child, reads that many of its lines, kills it, and notes what it had acknowledged.
func (h *house) kill(lines int, admitted, finished map[id.Request]bool) {
	h.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childSpool+"="+h.dir, childUser+"="+h.user.String(),
		childAccount+"="+h.account.String(), childKey+"="+h.key.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(h.t, err, cmd.Start())
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		if n == lines {
			must(h.t, cmd.Process.Kill())
		}
		// The pipe holds what the child said before it died; the last line may be torn.
		line := scanner.Text()
		request, err := id.Parse[id.Request](strings.TrimLeft(line, "+="))
		switch {
		case err != nil:
		case line[0] == '+':
			admitted[request] = true
		case line[0] == '=':
			finished[request] = true
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		h.t.Fatalf("the child ended by itself: %v", err)
	}
}
