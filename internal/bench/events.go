package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
	"aihigress/internal/simulator"
	"aihigress/internal/sse"
)

const (
	// spoken is how the simulator answers when events are counted: a text, then a call with arguments.
	spoken     = "sim-chat?preamble=300&usage=on"
	eventRuns  = 100     // of each stream
	longStream = 100_000 // events
)

// spokenStream is a stream with a changing text and a call's arguments, as the simulator writes it.
func spokenStream(ctx context.Context, d dialect.Dialect) ([]byte, error) {
	r, err := conversation(smallBody)
	if err != nil {
		return nil, err
	}
	arguments := `{"path":"` + strings.Repeat("cmd/\\\"deep\\\"/", 60) + `main.go","offset":12,"limit":40}`
	r.Messages = append(r.Messages, said(llm.Assistant, "What now?"), said(llm.User, "sim: call read_file_0 "+arguments))
	body, err := encoded(d, r, spoken, true)
	if err != nil {
		return nil, err
	}
	out := httptest.NewRecorder()
	in := httptest.NewRequestWithContext(ctx, http.MethodPost, path(d, spoken, true), bytes.NewReader(body))
	in.Header.Set("Authorization", "Bearer sk-sim")
	in.Header.Set("Anthropic-Version", "2023-06-01")
	in.Header.Set("X-Api-Key", "sk-sim")
	in.Header.Set("X-Goog-Api-Key", "sk-sim")
	vendor := simulator.New(simulator.Options{})
	defer vendor.Close()
	vendor.ServeHTTP(out, in)
	if out.Code != http.StatusOK {
		return nil, fmt.Errorf("the simulator's %s stream: status %d: %.300s", d.Name(), out.Code, out.Body)
	}
	return out.Body.Bytes(), nil
}

// A translator takes a stream of one dialect and writes that of another, without a network.
type translator struct {
	events  int
	decoder dialect.Decoder
	encoder dialect.Encoder
	emit    dialect.Emit
	out     []byte
	written int64
}

func newTranslator(p pair, request *llm.Request) *translator {
	t := &translator{decoder: p.target.Decoder(), encoder: p.caller.Encoder(request)}
	t.emit = func(e *llm.Event) (err error) {
		t.out, err = t.encoder.Append(t.out, e)
		return err
	}
	return t
}

func (t *translator) event(data []byte) (done bool, err error) {
	t.out = t.out[:0]
	t.events++
	done, err = t.decoder.Decode(data, t.emit)
	t.written += int64(len(t.out))
	return done, err
}

func (t *translator) end() error {
	t.out = t.out[:0]
	whole, err := t.decoder.End(t.emit)
	if err == nil && !whole {
		err = errors.New("the stream is not whole")
	}
	t.out = t.encoder.AppendEnd(t.out)
	t.written += int64(len(t.out))
	return err
}

// run translates a whole stream.
func (t *translator) run(stream []byte) error {
	events := sse.NewReader(bytes.NewReader(stream), 0)
	defer events.Close()
	for {
		event, err := events.Next()
		if errors.Is(err, io.EOF) {
			return t.end()
		}
		if err != nil {
			return err
		}
		if event.Kind != sse.Message {
			continue
		}
		if done, err := t.event(event.Data); err != nil {
			return err
		} else if done {
			return t.end()
		}
	}
}

// perEvent is what one event of a stream costs from bytes to bytes: the average over a stream, its decoder and encoder made
// anew each time.
func perEvent(p pair, stream []byte) (allocs, nanos float64, err error) {
	request := &llm.Request{Model: "m", Stream: true, IncludeUsage: true}
	var before, after runtime.MemStats
	var start time.Time
	events := 0
	for i := range eventRuns + 1 {
		if i == 1 { // the first run fills the pools
			runtime.ReadMemStats(&before)
			start = time.Now()
			events = 0
		}
		t := newTranslator(p, request)
		if err := t.run(stream); err != nil {
			return 0, 0, fmt.Errorf("%s to %s: %w", p.caller.Name(), p.target.Name(), err)
		}
		events += t.events
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(events), float64(took.Nanoseconds()) / float64(events), nil
}

// growth is by how many KiB the heap is larger after a long stream than soon after its beginning, and how many KiB were
// written meanwhile.
func growth(p pair) (grown, written float64, err error) {
	data, place, err := textEvent(p.target)
	if err != nil {
		return 0, 0, err
	}
	t := newTranslator(p, &llm.Request{Model: "m", Stream: true})
	var early uint64
	for i := range longStream {
		if i == longStream/100 {
			early, written = heap(), float64(t.written)
		}
		e := data[min(i, len(data)-1)]
		if i >= len(data)-1 {
			copy(e[place:], fmt.Appendf(nil, "%0*d", len(marker), i)) // a changing text
		}
		if _, err := t.event(e); err != nil {
			return 0, 0, fmt.Errorf("a long stream, %s to %s: %w", p.caller.Name(), p.target.Name(), err)
		}
	}
	late := heap()
	runtime.KeepAlive(t)
	return (float64(late) - float64(early)) / 1024, (float64(t.written) - written) / 1024, nil
}

// marker is the text that changes from event to event of a long stream.
const marker = "0123456789"

// textEvent returns the events of a stream up to its first text, and where the marker stands in the last of them.
func textEvent(d dialect.Dialect) (data [][]byte, place int, err error) {
	encoder := d.Encoder(&llm.Request{Model: "m", Stream: true})
	var out []byte
	for _, e := range []*llm.Event{
		{Kind: llm.Start, ID: "r_1", Model: "m", Created: 1_700_000_000},
		{Kind: llm.Open, Block: llm.Block{Kind: llm.Text}},
		{Kind: llm.Delta, Text: marker},
	} {
		if out, err = encoder.Append(out, e); err != nil {
			return nil, 0, err
		}
	}
	events := sse.NewReader(bytes.NewReader(out), 0)
	defer events.Close()
	for {
		event, err := events.Next()
		if err != nil {
			return nil, 0, fmt.Errorf("no text in a stream of %s: %w", d.Name(), err)
		}
		data = append(data, bytes.Clone(event.Data))
		if at := bytes.Index(event.Data, []byte(marker)); at >= 0 {
			return data, at, nil
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// reportEvents measures and writes what events of translated streams cost.
func reportEvents(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "\n| one event of a translated stream | measure |")
	for _, d := range dialects {
		fmt.Fprintf(w, " from %s |", d.Name())
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", "---:|---:|---:|---:|")
	streams := make([][]byte, len(dialects))
	for i, d := range dialects {
		var err error
		if streams[i], err = spokenStream(ctx, d); err != nil {
			return err
		}
	}
	for _, caller := range dialects {
		var allocs, nanos, grown strings.Builder
		for i, target := range dialects {
			if caller == target { // it passes through
				for _, b := range []*strings.Builder{&allocs, &nanos, &grown} {
					b.WriteString(" |")
				}
				continue
			}
			p := pair{caller, target}
			n, took, err := perEvent(p, streams[i])
			if err != nil {
				return err
			}
			more, written, err := growth(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&allocs, " %.2f |", n)
			fmt.Fprintf(&nanos, " %.0f ns |", took)
			fmt.Fprintf(&grown, " %+.0f KiB of %.0f |", more, written)
		}
		fmt.Fprintf(w, "| to %s | allocations |%s\n", caller.Name(), allocs.String())
		fmt.Fprintf(w, "| to %s | time |%s\n", caller.Name(), nanos.String())
		fmt.Fprintf(w, "| to %s | heap's growth over %d events |%s\n", caller.Name(), longStream, grown.String())
	}
	return nil
}
