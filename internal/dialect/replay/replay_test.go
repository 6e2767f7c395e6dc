package replay_test

import (
	"bytes"
	"flag"
	"testing"
	"testing/synctest"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A replay is a recorded answer on its way to a caller.
type replay struct {
	rec      *recording
	caller   dialect.Dialect
	to       *llm.Request
	original *llm.Response
}

// callerOf is who asked: in the caller's words, with the tools and settings of the recorded request.
func (r *recording) callerOf(name string) *llm.Request {
	to := &llm.Request{Model: "model"}
	if len(r.Request) > 0 && r.Request[0] == '{' {
		if asked, err := r.dialect.DecodeRequest(r.Request, r.at()); err == nil {
			to = asked
		}
	}
	to.Dialect, to.IncludeUsage, to.Functions, to.Extra = name, true, false, nil
	if to.Format.Name == "" {
		to.Format.Name = "answer" // which some must say
	}
	to.Reasoning.Summary = "auto" // who does not ask for thinking is not shown it by some
	return to
}

// read is the answer of a recording in neutral form, and nil where it is an error.
func (r *recording) read(t *testing.T) *llm.Response {
	t.Helper()
	if r.Lines == nil {
		answer, err := r.dialect.DecodeResponse(r.Body)
		if err != nil {
			return nil // which TestErrors is about
		}
		return answer
	}
	got := tell(r.dialect, r.stream(), len(r.stream()), nil)
	if got.failed != nil {
		return nil
	}
	if got.err != nil || got.form != nil || !got.whole {
		t.Fatalf("whole is %v, %v, %v", got.whole, got.err, got.form)
	}
	return got.answer
}

// Every recorded answer reaches callers of all dialects: with the same bytes however it is cut up, the same as a stream and
// whole, and with all that it said but for what differences name.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, rec := range recordings(t) {
		if rec.Status != 200 || rec.read(t) == nil {
			continue
		}
		seen++
		t.Run(rec.file, func(t *testing.T) {
			t.Parallel()
			for _, caller := range dialects {
				t.Run(caller.Name(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { // whose clock stands still
						r := &replay{&rec, caller, rec.callerOf(caller.Name()), rec.read(t)}
						r.try(t)
					})
				})
			}
		})
	}
	t.Cleanup(func() { // behind all of them
		if flag.Lookup("test.run").Value.String() != "" {
			return // behind some
		}
		for i, d := range differences {
			if !metDifferences[i].Load() {
				t.Errorf("no answer has the difference %q", d.reason)
			}
		}
		for i, d := range deviations {
			if all, _ := compiled(); all != nil && d.schema != "ErrorResponse" && !metDeviations[i].Load() {
				t.Errorf("no answer has the deviation %+v", d)
			}
		}
	})
	if seen < 85 {
		t.Errorf("only %d recordings were replayed", seen)
	}
}

func (r *replay) try(t *testing.T) {
	whole := r.caller.EncodeResponse(r.original, r.to)
	answer, err := r.caller.DecodeResponse(whole)
	if err != nil {
		t.Fatalf("%v: %s", err, whole)
	}
	stream := r.stream(t)
	again := tell(r.caller, string(stream), len(stream), nil)
	if again.err != nil || again.form != nil || again.failed != nil || !again.whole {
		t.Fatalf("read again: whole is %v, %v, %v, %+v:\n%s", again.whole, again.err, again.form, again.failed, stream)
	}
	want := expected(t, r.original, r.caller.Name())
	if d := diff(want, readAgain(t, answer, r.caller.Name())); d != "" {
		t.Errorf("whole (-original +read again):\n%s\n%.3000s", d, whole)
	}
	if r.caller.Name() == llm.Anthropic && r.rec.dialect.Name() == llm.Responses && r.rec.Lines != nil {
		want.ServiceTier = "" // Responses tells it at the end, and Anthropic at the beginning
	}
	if d := diff(want, readAgain(t, again.answer, r.caller.Name())); d != "" {
		t.Errorf("stream (-original +read again):\n%s\n%.3000s", d, stream)
	}
	valid(t, r.caller.Name(), whole)
	validStream(t, r.caller.Name(), string(stream))
}

// stream is the answer as a stream for the caller, which must not depend on how the upstream's was cut up.
func (r *replay) stream(t *testing.T) []byte {
	t.Helper()
	encoder := r.caller.Encoder(r.to)
	if r.rec.Lines == nil {
		var out []byte
		var f form
		err := r.original.Events(func(e *llm.Event) (err error) {
			if err := f.add(e); err != nil {
				t.Fatal(err)
			}
			out, err = encoder.Append(out, e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return encoder.AppendEnd(out)
	}
	in := r.rec.stream()
	first := tell(r.rec.dialect, in, len(in), encoder)
	for _, n := range []int{1, 7} {
		got := tell(r.rec.dialect, in, n, r.caller.Encoder(r.to))
		if got.err != nil || got.form != nil || !got.whole {
			t.Fatalf("read %d bytes at a time: whole is %v, %v, %v", n, got.whole, got.err, got.form)
		}
		if !bytes.Equal(first.out, got.out) {
			t.Errorf("read %d bytes at a time (-all +pieces):\n%s", n, cmp.Diff(string(first.out), string(got.out)))
		}
	}
	return first.out
}

// diff compares answers. The raw form of a citation counts where it is the original's own.
func diff(want, got *llm.Response) string {
	for i := range min(len(want.Candidates), len(got.Candidates)) {
		a, b := want.Candidates[i].Blocks, got.Candidates[i].Blocks
		for j := range min(len(a), len(b)) {
			for k := range min(len(a[j].Citations), len(b[j].Citations)) {
				if c := &b[j].Citations[k]; a[j].Citations[k].Vendor == "" {
					c.Vendor, c.Raw = "", nil
				}
			}
		}
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}
