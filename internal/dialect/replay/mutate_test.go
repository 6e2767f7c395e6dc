package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// sample is a stream that a vendor sent, or might.
type sample struct {
	from   dialect.Dialect
	stream string
}

// samples are the written streams, and the recorded ones where they are at hand.
var samples = sync.OnceValue(func() []sample {
	var all []sample
	for _, d := range dialects {
		for _, stream := range written(d.Name()) {
			all = append(all, sample{d, stream})
		}
	}
	list, err := recorded()
	if err != nil {
		panic(err)
	}
	for _, r := range list {
		if s := r.stream(); s != "" && len(s) < 200<<10 {
			all = append(all, sample{r.dialect, s})
		}
	}
	return all
})

// A broken stream never leads to a panic, to events out of order, or to a stream for the caller that is no stream of its
// dialect: it is whole, or ends in an error.
func TestMutations(t *testing.T) {
	t.Parallel()
	all := samples()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(all).Draw(t, "stream")
		stream := mutated(t, s.stream)
		n := rapid.SampledFrom([]int{1, 7, len(stream) + 1}).Draw(t, "split")
		for _, to := range dialects {
			if err := pass(s.from, to, stream, n); err != nil {
				t.Fatalf("%s to %s: %v\n%.5000s", s.from.Name(), to.Name(), err, stream)
			}
		}
	})
}

// pass sends a stream from a dialect to a caller of another and reads what the caller gets.
func pass(from, to dialect.Dialect, stream string, n int) error {
	request := &llm.Request{Model: "m", IncludeUsage: true, Reasoning: llm.Reasoning{Summary: "auto"}}
	got := tell(from, stream, n, to.Encoder(request))
	switch {
	case got.form != nil:
		return got.form
	case got.err != nil && !errors.Is(got.err, dialect.ErrMalformed) && !errors.Is(got.err, dialect.ErrTooLong):
		return got.err
	case got.failed != nil && (got.failed.Origin != from.Name() || got.whole):
		return fmt.Errorf("failed by %q with %+v", got.failed.Origin, got.failed)
	}
	broken := got.err != nil || !got.whole
	if broken {
		failed := got.failed
		if failed == nil {
			failed = &llm.Error{Class: llm.ServerError, Type: "upstream_error", Message: "broken"}
		}
		got.out = to.AppendErrorEvent(got.out, failed)
	}
	if err := readable(to, string(got.out)); err != nil {
		return fmt.Errorf("%w in %.3000s", err, got.out)
	}
	if nameless(got.answer) {
		return nil // which Responses cannot say, and nobody can use
	}
	again := tell(to, string(got.out), len(got.out)+1, nil)
	switch {
	case again.err != nil || again.form != nil:
		return fmt.Errorf("read again: %v, %v in %.3000s", again.err, again.form, got.out)
	case broken && again.failed == nil, !broken && (again.failed != nil || !again.whole):
		return fmt.Errorf("broken %v, but read again whole %v, %+v: %.3000s", broken, again.whole, again.failed, got.out)
	}
	if _, err := to.DecodeResponse(to.EncodeResponse(got.answer, request)); !broken && err != nil {
		return fmt.Errorf("whole: %w", err)
	}
	return nil
}

// nameless reports whether an answer calls a tool without saying which.
func nameless(r *llm.Response) bool {
	for _, c := range r.Candidates {
		for _, b := range c.Blocks {
			if b.Kind == llm.ToolCall && (b.Call.Name == "" || b.Call.ID == "") {
				return true
			}
		}
	}
	return false
}

// readable reports whether every event of a stream is JSON.
func readable(to dialect.Dialect, stream string) (err error) {
	each(stream, len(stream)+1, func(data []byte) bool {
		if !json.Valid(data) && (to.Name() != llm.OpenAI || string(data) != "[DONE]") {
			err = fmt.Errorf("no JSON: %.300s", data)
		}
		return err == nil
	})
	return err
}

// mutated is a stream with a few things done to it.
func mutated(t *rapid.T, stream string) string {
	for range rapid.IntRange(1, 4).Draw(t, "mutations") {
		if rapid.Bool().Draw(t, "of events") {
			stream = ofEvents(t, stream)
		} else {
			stream = ofBytes(t, stream)
		}
	}
	return stream
}

func ofEvents(t *rapid.T, stream string) string {
	events := strings.SplitAfter(strings.ReplaceAll(stream, "\r\n", "\n"), "\n\n")
	at := rapid.IntRange(0, len(events)-1)
	a, b := at.Draw(t, "event"), at.Draw(t, "other event")
	switch rapid.IntRange(0, 3).Draw(t, "way") {
	case 0:
		events[a], events[b] = events[b], events[a]
	case 1:
		events[a] = ""
	case 2:
		events[a] += events[b]
	default:
		events = events[:a]
	}
	return strings.Join(events, "")
}

func ofBytes(t *rapid.T, stream string) string {
	if stream == "" {
		return stream
	}
	at := rapid.IntRange(0, len(stream)-1)
	a := at.Draw(t, "byte")
	b := min(a+rapid.IntRange(0, 40).Draw(t, "length"), len(stream))
	out := bytes.Clone([]byte(stream))
	switch rapid.IntRange(0, 4).Draw(t, "way") {
	case 0:
		out[a] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 1:
		out[a] = rapid.SampledFrom([]byte(`0123456789"{}[]:,\ntfx-`)).Draw(t, "letter")
	case 2:
		out = append(out[:a], out[b:]...)
	case 3:
		out = append(append(append([]byte(nil), out[:b]...), out[a:b]...), out[b:]...)
	default:
		out = out[:a]
	}
	return string(out)
}

// FuzzPair sends any stream from any dialect to callers of any other. The selector's bits choose both, and the split.
func FuzzPair(f *testing.F) {
	for i, d := range dialects {
		for _, stream := range written(d.Name()) {
			for j := range dialects {
				f.Add(byte(i|j<<2), stream)
			}
		}
	}
	f.Fuzz(func(t *testing.T, selector byte, stream string) {
		n := []int{1, 7, 64, len(stream) + 1}[selector>>4&3]
		from, to := dialects[selector&3], dialects[selector>>2&3]
		if err := pass(from, to, stream, n); err != nil {
			t.Fatalf("%s to %s: %v", from.Name(), to.Name(), err)
		}
	})
}
