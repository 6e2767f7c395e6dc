package responses_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
	"aihigress/internal/sse"

	"io"
)

// recording is a real exchange between a public project and a vendor.
type recording struct {
	API     string
	Path    string          `json:"url_path"`
	Status  int             `json:"response_status"`
	Request json.RawMessage `json:"request"`
	Body    json.RawMessage `json:"response_body"`
	Lines   []string        `json:"sse_lines"`
}

func (r recording) counts() bool { return strings.HasSuffix(r.Path, "/input_tokens") }

// shared is a folder beside the project, or the one that a variable names. It is no part of the project.
func shared(t *testing.T, variable, name string) string {
	t.Helper()
	if root := os.Getenv(variable); root != "" {
		return root
	}
	for dir, _ := os.Getwd(); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		at := filepath.Join(dir, "shared", name)
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			return at
		}
	}
	t.Skipf("no %s: set %s to their folder", name, variable)
	return ""
}

// recordings are those of this dialect, by file name.
func recordings(t *testing.T) map[string]recording {
	t.Helper()
	root := shared(t, "AIHIGRESS_RECORDINGS", "recordings")
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
		if r.API == "responses" {
			all[filepath.Base(file)] = r
		}
	}
	if len(all) == 0 {
		t.Fatal("no recording of this dialect")
	}
	return all
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// events are the data of a stream's events, read in pieces of n bytes.
func events(t testing.TB, stream string, n int) [][]byte {
	t.Helper()
	var all [][]byte
	r := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
	defer r.Close()
	for {
		ev, err := r.Next()
		if err != nil {
			return all // recordings may end without their last blank line
		}
		if ev.Kind == sse.Message {
			all = append(all, append([]byte(nil), ev.Data...))
		}
	}
}

// said is what the last whole response object of a document says, decoded as a whole.
type said struct {
	ID    string
	Error *struct{ Code, Message string }
	Usage *struct {
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
		In     struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Out struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	}
	Output []struct {
		Type, Name, Arguments, Input, Code string
		Content                            []struct{ Text, Refusal string }
		Summary                            []struct{ Text string }
	}
}

// text is all that the model generated, in the order of the answer.
func (s *said) text() string {
	var b strings.Builder
	for _, o := range s.Output {
		for _, c := range o.Summary {
			b.WriteString(c.Text)
		}
		for _, c := range o.Content {
			b.WriteString(c.Text + c.Refusal)
		}
		b.WriteString(o.Arguments + o.Input + o.Code)
	}
	return b.String()
}

func (s *said) usage() llm.Usage {
	if s.Usage == nil {
		return llm.Usage{}
	}
	u := llm.Usage{Input: s.Usage.Input - s.Usage.In.Cached, CachedInput: s.Usage.In.Cached, Output: s.Usage.Output, Reasoning: s.Usage.Out.Reasoning}
	for _, o := range s.Output {
		switch o.Type {
		case "web_search_call", "file_search_call", "mcp_call", "image_generation_call", "code_interpreter_call":
			u.ToolUses++
		}
	}
	return u
}

func TestWatchRecordedStreams(t *testing.T) {
	t.Parallel()
	streams := 0
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		streams++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			w := responses.Dialect{}.Watch(func(part []byte) { text.Write(part) })
			var last struct{ Response said }
			done, failed, begun := false, false, false
			for _, data := range events(t, strings.Join(rec.Lines, "\n"), 7) {
				c, err := w.Event(data)
				if err != nil {
					t.Fatalf("%s: %v", data, err)
				}
				var now struct {
					Type     string
					Response *said
					Delta    string
				}
				if err := json.Unmarshal(data, &now); err != nil {
					t.Fatal(err)
				}
				if now.Response != nil {
					last.Response = *now.Response
				}
				if now.Delta != "" && !c.Content {
					t.Errorf("content missed: %s", data)
				}
				if c.Content && !begun && now.Type != "response.output_item.added" && now.Delta == "" {
					t.Logf("the answer begins with %s", now.Type)
				}
				begun = begun || c.Content
				done = done || c.Done
				failed = failed || c.Error != nil
				if c.Done && (!c.Finish || !c.Usage) || c.Error != nil && c.Error.Message == "" {
					t.Errorf("%+v of %s", c, data)
				}
			}
			if done == failed {
				t.Errorf("done %v, failed %v", done, failed)
			}
			if failed != (last.Response.Error != nil) || begun == failed {
				t.Errorf("failed %v, begun %v; the recording has the error %v", failed, begun, last.Response.Error)
			}
			if got, want := text.String(), last.Response.text(); got != want {
				t.Errorf("text %q, want %q", got, want)
			}
			got, ok := w.Usage()
			if want := last.Response.usage(); got != want || ok == want.IsZero() || w.OddUsage() {
				t.Errorf("usage %+v, %v; want %+v", got, ok, want)
			}
			if w.ResponseID() != last.Response.ID || w.ResponseID() == "" {
				t.Errorf("id %q, want %q", w.ResponseID(), last.Response.ID)
			}
		})
	}
	if streams == 0 {
		t.Error("no recorded stream was read")
	}
}

func TestWatchRecordedBodies(t *testing.T) {
	t.Parallel()
	bodies := 0
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.Status != 200 || rec.counts() {
			continue
		}
		bodies++
		var want said
		if err := json.Unmarshal(rec.Body, &want); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 7, len(rec.Body)} {
			size := 0
			w := responses.Dialect{}.Watch(func(part []byte) { size += len(part) })
			if _, err := io.Copy(w, pieces{strings.NewReader(string(rec.Body)), n}); err != nil {
				t.Fatal(err)
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
			got, ok := w.Usage()
			if u := want.usage(); got != u || ok == u.IsZero() {
				t.Errorf("%s by %d: usage %+v, %v; want %+v", name, n, got, ok, u)
			}
			if (w.Error() != nil) != (want.Error != nil) || size < len(want.text()) || w.ResponseID() != want.ID {
				t.Errorf("%s by %d: error %v, %d bytes of text, id %q", name, n, w.Error(), size, w.ResponseID())
			}
			if w.Error() != nil && w.Error().Kind() != llm.OutOfQuota {
				t.Errorf("%s: class %v", name, w.Error().Kind())
			}
		}
	}
	if bodies == 0 {
		t.Error("no recorded body was read")
	}
}

func TestScanRecordedRequests(t *testing.T) {
	t.Parallel()
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' {
			continue
		}
		var want struct {
			Model  string
			Stream bool
			Max    int64 `json:"max_output_tokens"`
			Store  *bool
			Input  json.RawMessage
		}
		if err := json.Unmarshal(rec.Request, &want); err != nil {
			t.Fatal(err)
		}
		s, err := responses.Dialect{}.Scan(rec.Request, dialect.At{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := s.Facts()
		if f.Model != want.Model || f.Stream != want.Stream || f.N != 1 || f.MaxTokens != want.Max ||
			f.Stores != (want.Store == nil || *want.Store) || f.TextBytes == 0 || f.Messages == 0 {
			t.Errorf("%s: %+v, want %+v", name, f, want)
		}
		checkPatch(t, rec.Request, s)
	}
}
