package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"aihigress/internal/sse"

	"github.com/google/go-cmp/cmp"
)

// event is sse.Event with its bytes copied, so that it outlives the next read.
type event struct {
	Raw, Name, Data string
	Kind            sse.Kind
}

func copyOf(e sse.Event) event {
	return event{Raw: string(e.Raw), Name: string(e.Name), Data: string(e.Data), Kind: e.Kind}
}

// readAll returns every event, the rest if the stream was cut, and the error that ended it.
func readAll(src io.Reader, limit int) (events []event, rest event, err error) {
	r := sse.NewReader(src, limit)
	defer r.Close()
	for {
		e, err := r.Next()
		if err != nil {
			return events, copyOf(e), err
		}
		events = append(events, copyOf(e))
	}
}

func message(raw, name, data string) event { return event{Raw: raw, Name: name, Data: data} }

var streams = []struct {
	name string
	in   string
	want []event
	rest string
	err  error
}{
	{name: "nothing", err: io.EOF},
	{
		name: "one event",
		in:   "data: {\"a\":1}\n\n",
		want: []event{message("data: {\"a\":1}\n\n", "", `{"a":1}`)},
		err:  io.EOF,
	},
	{
		name: "names, ids and unknown fields",
		in:   "event: ping\nid: 7\nretry: 10\nfoo: bar\ndata:x\n\ndata: y\n\n",
		want: []event{
			message("event: ping\nid: 7\nretry: 10\nfoo: bar\ndata:x\n\n", "ping", "x"),
			message("data: y\n\n", "", "y"),
		},
		err: io.EOF,
	},
	{
		name: "CRLF",
		in:   "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
		want: []event{
			message("event: a\r\ndata: 1\r\n\r\n", "a", "1"),
			message("data: 2\r\n\r\n", "", "2"),
		},
		err: io.EOF,
	},
	{
		name: "CR",
		in:   "data: 1\rdata: 2\r\rdata: 3\r\r",
		want: []event{
			message("data: 1\rdata: 2\r\r", "", "1\n2"),
			message("data: 3\r\r", "", "3"),
		},
		err: io.EOF,
	},
	{
		name: "CR lines, then a CRLF blank line",
		in:   "data: 1\r\r\ndata: 2\n\n",
		want: []event{
			message("data: 1\r\r", "", "1"),
			message("\ndata: 2\n\n", "", "2"),
		},
		err: io.EOF,
	},
	{
		name: "LF line, then a CRLF blank line at the end",
		in:   "data: 1\n\r\n",
		want: []event{
			message("data: 1\n\r", "", "1"),
			{Raw: "\n", Kind: sse.Ignored},
		},
		err: io.EOF,
	},
	{
		name: "CRLF line, then a CR blank line",
		in:   "data: 1\r\n\rdata: 2\r\n\r",
		want: []event{
			message("data: 1\r\n\r", "", "1"),
			message("data: 2\r\n\r", "", "2"),
		},
		err: io.EOF,
	},
	{
		name: "several data lines",
		in:   "data: a\ndata\ndata:\ndata:  b\n\n",
		want: []event{message("data: a\ndata\ndata:\ndata:  b\n\n", "", "a\n\n\n b")},
		err:  io.EOF,
	},
	{
		name: "blank data is a message",
		in:   "data\n\ndata:\n\n",
		want: []event{message("data\n\n", "", ""), message("data:\n\n", "", "")},
		err:  io.EOF,
	},
	{
		name: "comments",
		in:   ": OPENROUTER PROCESSING\n\n:\n\n: a\ndata: x\n\n",
		want: []event{
			{Raw: ": OPENROUTER PROCESSING\n\n", Kind: sse.Comment},
			{Raw: ":\n\n", Kind: sse.Comment},
			message(": a\ndata: x\n\n", "", "x"),
		},
		err: io.EOF,
	},
	{
		name: "blank lines and an event without data",
		in:   "\n\ndata: 1\n\n\nevent: x\n\n",
		want: []event{
			{Raw: "\n", Kind: sse.Ignored},
			{Raw: "\n", Kind: sse.Ignored},
			message("data: 1\n\n", "", "1"),
			{Raw: "\n", Kind: sse.Ignored},
			{Raw: "event: x\n\n", Name: "x", Kind: sse.Ignored},
		},
		err: io.EOF,
	},
	{
		name: "byte order mark at the start only",
		in:   "\ufeffdata: 1\n\n\ufeffdata: 2\n\n",
		want: []event{
			message("\ufeffdata: 1\n\n", "", "1"),
			{Raw: "\ufeffdata: 2\n\n", Kind: sse.Ignored},
		},
		err: io.EOF,
	},
	{
		name: "runes, colons in values",
		in:   "data: 東京: \U0001f30d\n\n",
		want: []event{message("data: 東京: \U0001f30d\n\n", "", "東京: \U0001f30d")},
		err:  io.EOF,
	},
	{
		name: "cut in a line",
		in:   "data: 1\n\ndata: {\"ind",
		want: []event{message("data: 1\n\n", "", "1")},
		rest: "data: {\"ind",
		err:  io.ErrUnexpectedEOF,
	},
	{
		name: "cut before the blank line",
		in:   "data: [DONE]\r\n",
		rest: "data: [DONE]\r\n",
		err:  io.ErrUnexpectedEOF,
	},
}

func TestReaderAtAnySplit(t *testing.T) {
	t.Parallel()
	splits := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"byte":     iotest.OneByteReader,
		"half":     iotest.HalfReader,
		"data err": iotest.DataErrReader,
		"byte, data err": func(r io.Reader) io.Reader {
			return iotest.DataErrReader(iotest.OneByteReader(r))
		},
	}
	for _, tt := range streams {
		for split, wrap := range splits {
			t.Run(tt.name+"/"+split, func(t *testing.T) {
				t.Parallel()
				got, rest, err := readAll(wrap(strings.NewReader(tt.in)), 0)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if rest.Raw != tt.rest {
					t.Errorf("rest %q, want %q", rest.Raw, tt.rest)
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
			})
		}
	}
}

func TestRestTellsItsFields(t *testing.T) {
	t.Parallel()
	_, rest, err := readAll(strings.NewReader("event: x\ndata: [DONE]"), 0)
	if err != io.ErrUnexpectedEOF || rest.Data != "[DONE]" || rest.Name != "x" {
		t.Errorf("got %+v, %v; want the fields of the rest with io.ErrUnexpectedEOF", rest, err)
	}
}

func TestReadErrorComesAfterWhatWasRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	r := sse.NewReader(io.MultiReader(strings.NewReader("data: 1\n\ndata: 2"), iotest.ErrReader(broken)), 0)
	defer r.Close()
	if e, err := r.Next(); err != nil || string(e.Data) != "1" {
		t.Fatalf("first event: %q, %v", e.Data, err)
	}
	if e, err := r.Next(); !errors.Is(err, broken) || string(e.Raw) != "data: 2" {
		t.Errorf("rest %q, %v; want the unfinished event with the read error", e.Raw, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("error %v is not final", err)
	}
}

func TestNoProgress(t *testing.T) {
	t.Parallel()
	if _, _, err := readAll(idle{}, 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that reads nothing for ever: %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestEventLimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64, 20 << 10, 200 << 10} { // below, around and above the pooled buffer
		fits := "data: " + strings.Repeat("x", size-8) + "\n\n"
		for name, in := range map[string]string{
			"complete":   "data: first\n\n" + strings.Replace(fits, "x", "xx", 1),
			"incomplete": "data: first\n\n" + strings.Repeat("y", size+1),
		} {
			for _, src := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
				events, _, err := readAll(src, size)
				if len(events) != 1 || !errors.Is(err, sse.ErrTooLarge) {
					t.Errorf("limit %d, %s: %d events, %v; want the first event, then ErrTooLarge", size, name, len(events), err)
				}
			}
		}
		events, _, err := readAll(strings.NewReader(fits+fits), size)
		if len(events) != 2 || err != io.EOF {
			t.Errorf("limit %d: %d events of exactly the limit, %v", size, len(events), err)
		}
	}
}

// TestDeliversAtTheBlankLine reads from a pipe whose writer goes on only after the event was seen: a reader that looks
// ahead would never return.
func TestDeliversAtTheBlankLine(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", ": ping\n\n"} {
		pr, pw := io.Pipe()
		r := sse.NewReader(pr, 0)
		written := make(chan error, 1)
		for range 3 {
			go func() {
				_, err := io.WriteString(pw, raw)
				written <- err
			}()
			e, err := r.Next()
			if err != nil || string(e.Raw) != raw {
				t.Fatalf("%q: got %q, %v", raw, e.Raw, err)
			}
			if err := <-written; err != nil {
				t.Fatal(err)
			}
		}
		_ = pw.Close()
		r.Close()
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	r := sse.NewReader(io.MultiReader(strings.NewReader("data: 1\n\ndata: 2\n\ndata: 3"), strings.NewReader("\n\n")), 0)
	defer r.Close()
	if r.Ready() {
		t.Error("ready before anything was read")
	}
	for i, want := range []bool{true, false} {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		before := string(e.Raw)
		if got := r.Ready(); got != want {
			t.Errorf("after event %d: ready %v, want %v", i+1, got, want)
		}
		if string(e.Raw) != before {
			t.Error("Ready changed the event that was handed out")
		}
	}
	if e, err := r.Next(); err != nil || string(e.Data) != "3" {
		t.Errorf("event after Ready: %q, %v", e.Data, err)
	}
}

// Events that are joined while the reader is ready are the stream as it stood, without one that is left out between them.
func TestJoin(t *testing.T) {
	t.Parallel()
	stream := strings.Repeat("data: some words\n\n: ping\r\n\r\nevent: e\ndata:\ndata: 2\n\n", 2000)
	for _, size := range []int{1, 7, 1000, 1 << 20} {
		r := sse.NewReader(&piecewise{stream, size}, 0)
		var joined []byte
		var all strings.Builder
		flush := func() {
			all.Write(joined)
			joined = nil
		}
		var want strings.Builder
		for i := 0; ; i++ {
			e, err := r.Next()
			if err != nil {
				break
			}
			if i%5 == 4 { // left out
				e.Raw = nil
			}
			want.Write(e.Raw)
			together, ok := sse.Join(joined, e.Raw)
			if !ok {
				if i%5 != 0 {
					t.Fatalf("pieces of %d: event %d does not follow the one before", size, i)
				}
				flush()
				together = e.Raw
			}
			if joined = together; !r.Ready() {
				flush()
			}
		}
		flush()
		r.Close()
		if all.String() != want.String() {
			t.Errorf("pieces of %d: the bytes differ", size)
		}
	}
	if _, ok := sse.Join([]byte("a"), []byte("b")); ok {
		t.Error("joined bytes that do not follow each other")
	}
}

type piecewise struct {
	rest string
	size int
}

func (p *piecewise) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func TestReaderAfterClose(t *testing.T) {
	t.Parallel()
	r := sse.NewReader(strings.NewReader("data: 1\n\n"), 0)
	r.Close()
	r.Close()
	if _, err := r.Next(); err == nil {
		t.Error("a closed reader still reads")
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	event := []byte("event: delta\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\r\n\r\n")
	r := sse.NewReader(&loop{block: event}, 0)
	defer r.Close()
	if n := testing.AllocsPerRun(5000, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
}

// loop repeats a block for ever, in reads that do not end where the block does.
type loop struct {
	block []byte
	at    int
}

func (l *loop) Read(p []byte) (int, error) {
	p = p[:min(len(p), 1000)]
	n := 0
	for n < len(p) {
		c := copy(p[n:], l.block[l.at:])
		n += c
		l.at = (l.at + c) % len(l.block)
	}
	return n, nil
}

func FuzzReader(f *testing.F) {
	for _, tt := range streams {
		f.Add([]byte(tt.in), 40)
	}
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		limit = 1 + (limit&0x7fffffff)%200
		whole, wholeRest, wholeErr := readAll(bytes.NewReader(in), limit)
		bits, bitsRest, bitsErr := readAll(iotest.OneByteReader(bytes.NewReader(in)), limit)
		if diff := cmp.Diff(whole, bits); diff != "" {
			t.Errorf("one byte a read differs (-whole +bytes):\n%s", diff)
		}
		if wholeRest != bitsRest || wholeErr.Error() != bitsErr.Error() {
			t.Errorf("end differs: %+v, %v and %+v, %v", wholeRest, wholeErr, bitsRest, bitsErr)
		}
		var raw strings.Builder
		for _, e := range whole {
			raw.WriteString(e.Raw)
		}
		raw.WriteString(wholeRest.Raw)
		if !errors.Is(wholeErr, sse.ErrTooLarge) && raw.String() != string(in) {
			t.Errorf("the events are %q together, the stream was %q", raw.String(), in)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	event := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1731368640,"model":"gpt-4o-mini",` +
		`"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null}` + "\n\n")
	r := sse.NewReader(&loop{block: event}, 0)
	defer r.Close()
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
