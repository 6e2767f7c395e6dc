package openai_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/sse"
)

// recording is a real exchange between a public project and a vendor.
type recording struct {
	Provider string
	API      string
	Status   int             `json:"response_status"`
	Request  json.RawMessage `json:"request"`
	Body     json.RawMessage `json:"response_body"`
	Lines    []string        `json:"sse_lines"`
}

// recordings are those of this dialect, by file name. They are not part of the project: AIHIGRESS_RECORDINGS names their
// folder, else it is looked for beside the project.
func recordings(t *testing.T) map[string]recording {
	t.Helper()
	root := os.Getenv("AIHIGRESS_RECORDINGS")
	for dir, _ := os.Getwd(); root == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if at := filepath.Join(dir, "shared", "recordings"); isDir(at) {
			root = at
		}
	}
	if root == "" {
		t.Skip("no recordings: set AIHIGRESS_RECORDINGS to their folder")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", root, err)
	}
	all := map[string]recording{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if r.API == "chat/completions" || r.API == "embeddings" {
			all[filepath.Base(file)] = r
		}
	}
	return all
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// said is what a document of the vendor says, decoded as a whole.
type said struct {
	Choices []struct {
		Delta   message
		Message message
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		In         struct {
			Cached int64 `json:"cached_tokens"`
			Write  int64 `json:"cache_write_tokens"`
		} `json:"prompt_tokens_details"`
		Out struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
}

type message struct {
	Content          string
	Refusal          string
	Reasoning        string
	ReasoningContent string   `json:"reasoning_content"`
	FunctionCall     function `json:"function_call"`
	ToolCalls        []struct {
		Function function
	} `json:"tool_calls"`
}

type function struct{ Name, Arguments string }

func (m message) bytes() int {
	n := len(m.Content) + len(m.Refusal) + len(m.Reasoning) + len(m.ReasoningContent) + len(m.FunctionCall.Name) + len(m.FunctionCall.Arguments)
	for _, c := range m.ToolCalls {
		n += len(c.Function.Name) + len(c.Function.Arguments)
	}
	return n
}

// expectation is what the scanner has to find in an exchange.
type expectation struct {
	text      int
	usage     llm.Usage
	usageOnly int
}

func (e *expectation) add(t *testing.T, provider string, document []byte) {
	t.Helper()
	var d said
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Choices {
		e.text += c.Delta.bytes() + c.Message.bytes()
	}
	if u := d.Usage; u != nil {
		e.usage = llm.Usage{Input: u.Prompt - u.In.Cached - u.In.Write, CachedInput: u.In.Cached, CacheWrite5m: u.In.Write,
			Output: u.Completion, Reasoning: u.Out.Reasoning}
		if provider == "xai" {
			e.usage.Output += u.Out.Reasoning
		}
		if len(d.Choices) == 0 {
			e.usageOnly++
		}
	}
}

// check compares what was read with what was expected; audio counts are not in the expectation.
func (e *expectation) check(t *testing.T, r dialect.Watch, text, usageOnly int) {
	t.Helper()
	got, ok := r.Usage()
	got.AudioInput, got.AudioOutput = 0, 0
	if got != e.usage || ok == e.usage.IsZero() || r.OddUsage() {
		t.Errorf("usage %+v, %v, odd %v; the recording says %+v", got, ok, r.OddUsage(), e.usage)
	}
	if text != e.text || usageOnly != e.usageOnly {
		t.Errorf("%d bytes of text, %d usage chunks; want %d, %d", text, usageOnly, e.text, e.usageOnly)
	}
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	streams := 0
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		streams++
		stream := strings.Join(rec.Lines, "\n")
		for _, n := range []int{1, 7, len(stream)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var want expectation
				var raw strings.Builder
				usageOnly, done, first := 0, false, true
				text := 0
				in := openai.Dialect{}.Watch(func(part []byte) { text += len(part) })
				events := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
				defer events.Close()
				for {
					ev, err := events.Next()
					raw.Write(ev.Raw)
					if err != nil {
						break // recordings may end without their last blank line
					}
					if ev.Kind != sse.Message {
						continue
					}
					c, err := in.Event(ev.Data)
					if err != nil {
						t.Fatalf("%s: %v", ev.Data, err)
					}
					if c.Done {
						done = true
						continue
					}
					want.add(t, rec.Provider, ev.Data)
					if c.UsageOnly {
						usageOnly++
					}
					if c.Content && first {
						first = false
						if want.text == 0 {
							t.Errorf("content seen where the recording has none: %s", ev.Data)
						}
					}
					if !c.Content && first && want.text > 0 {
						t.Errorf("content missed: %s", ev.Data)
					}
					if c.Error != nil {
						t.Errorf("unexpected error %+v", c.Error)
					}
				}
				want.check(t, in, text, usageOnly)
				if done != strings.Contains(stream, "[DONE]") || raw.String() != stream {
					t.Errorf("done %v, or the events are not the stream", done)
				}
			})
		}
	}
	if streams == 0 {
		t.Error("no recorded stream was read")
	}
}

func TestRecordedBodies(t *testing.T) {
	t.Parallel()
	bodies := 0
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.Status != 200 {
			continue
		}
		bodies++
		for _, n := range []int{1, 7, len(rec.Body)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var want expectation
				want.add(t, rec.Provider, rec.Body)
				text := 0
				in := openai.Dialect{}.Watch(func(part []byte) { text += len(part) })
				if _, err := io.Copy(in, pieces{strings.NewReader(string(rec.Body)), n}); err != nil {
					t.Fatal(err)
				}
				if err := in.End(); err != nil {
					t.Fatal(err)
				}
				want.usageOnly = 0
				want.check(t, in, text, 0)
			})
		}
	}
	if bodies == 0 {
		t.Error("no recorded body was read")
	}
}

func TestRecordedErrors(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if rec.Status < 400 {
			continue
		}
		var want struct {
			Error  struct{ Message, Type string }
			Detail string
		}
		if err := json.Unmarshal(rec.Body, &want); err != nil {
			t.Fatal(err)
		}
		got := openai.Dialect{}.DecodeError(rec.Status, rec.Body)
		if got.Status != rec.Status || got.Message == "" || got.Message != want.Error.Message+want.Detail || got.Type != want.Error.Type {
			t.Errorf("%s: %+v from %s", name, got, rec.Body)
		}
	}
}

func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' {
			continue
		}
		var want struct {
			Model  string
			Stream bool
			N      int64
		}
		if err := json.Unmarshal(rec.Request, &want); err != nil {
			t.Fatal(err)
		}
		scanned, err := openai.ScanAny(rec.Request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := scanned.Facts()
		if got.Model != want.Model || got.Stream != want.Stream || got.N != max(want.N, 1) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		checkPatch(t, rec.Request, true)
		checkPatch(t, rec.Request, false)
	}
}
