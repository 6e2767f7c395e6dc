package gemini_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
	"aihigress/internal/sse"
)

// recording is a real exchange between a public project and a vendor.
type recording struct {
	Provider string
	API      string
	URL      string          `json:"url_path"`
	Status   int             `json:"response_status"`
	Request  json.RawMessage `json:"request"`
	Body     json.RawMessage `json:"response_body"`
	Lines    []string        `json:"sse_lines"`
}

// recordings are those of this dialect's generation, by file name.
func recordings(t testing.TB) map[string]recording {
	t.Helper()
	return recordingsOf(t, "generatecontent", "streamgeneratecontent")
}

// recordingsOf are those of some endpoints, by file name. They are not part of the project: AIHIGRESS_RECORDINGS names
// their folder, else it is looked for beside the project.
func recordingsOf(t testing.TB, apis ...string) map[string]recording {
	t.Helper()
	root := os.Getenv("AIHIGRESS_RECORDINGS")
	for dir, _ := os.Getwd(); root == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "shared", "recordings")); err == nil && info.IsDir() {
			root = filepath.Join(dir, "shared", "recordings")
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
		if slices.Contains(apis, r.API) {
			all[filepath.Base(file)] = r
		}
	}
	return all
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// events are the data of a stream's events, read n bytes at a time.
func events(t testing.TB, stream string, n int) [][]byte {
	t.Helper()
	r := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
	defer r.Close()
	var all [][]byte
	for {
		e, err := r.Next()
		if e.Kind == sse.Message && len(e.Data) > 0 {
			all = append(all, []byte(string(e.Data)))
		}
		if err != nil {
			return all // recordings may end without their last blank line
		}
	}
}

// said is what a document of the vendor says, decoded as a whole by somebody else.
type said struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Text         string
				FunctionCall *struct {
					Name string
					Args json.RawMessage
				}
				ExecutableCode struct{ Code string }
			}
		}
		FinishReason      any
		GroundingMetadata struct{ WebSearchQueries []string }
	}
	UsageMetadata *struct {
		PromptTokenCount, CachedContentTokenCount, ToolUsePromptTokenCount int64
		CandidatesTokenCount, ThoughtsTokenCount                           int64
		PromptTokensDetails                                                []struct {
			Modality   any
			TokenCount int64
		}
	}
}

// expectation is what has to be found in an exchange.
type expectation struct {
	text     string
	finished bool
	usage    llm.Usage
}

func (e *expectation) add(t *testing.T, document []byte) {
	t.Helper()
	var d said
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Candidates {
		for _, p := range c.Content.Parts {
			e.text += p.Text + p.ExecutableCode.Code
			if p.FunctionCall != nil {
				e.text += compact(t, p.FunctionCall.Name, p.FunctionCall.Args)
			}
		}
		e.finished = e.finished || c.FinishReason != nil
		e.usage.ToolUses = max(e.usage.ToolUses, int64(len(c.GroundingMetadata.WebSearchQueries)))
	}
	if u := d.UsageMetadata; u != nil {
		tools := e.usage.ToolUses
		e.usage = llm.Usage{Input: u.PromptTokenCount - u.CachedContentTokenCount + u.ToolUsePromptTokenCount,
			CachedInput: u.CachedContentTokenCount, Output: u.CandidatesTokenCount + u.ThoughtsTokenCount,
			Reasoning: u.ThoughtsTokenCount, ToolUses: tools}
		for _, d := range u.PromptTokensDetails {
			switch d.Modality {
			case "AUDIO":
				e.usage.AudioInput += d.TokenCount
			case "IMAGE":
				e.usage.ImageInput += d.TokenCount
			}
		}
	}
}

// compact is a call as the watch passes it on.
func compact(t *testing.T, name string, args json.RawMessage) string {
	t.Helper()
	return name + string(args)
}

func (e *expectation) check(t *testing.T, w dialect.Watch, text string) {
	t.Helper()
	got, ok := w.Usage()
	if got != e.usage || ok == e.usage.IsZero() || w.OddUsage() {
		t.Errorf("usage %+v, %v, odd %v; the recording says %+v", got, ok, w.OddUsage(), e.usage)
	}
	if text != e.text {
		t.Errorf("text %q, the recording says %q", text, e.text)
	}
}

func TestRecordedStreamsPassBy(t *testing.T) {
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
				var text strings.Builder
				w := gemini.Dialect{}.Watch(func(p []byte) { text.Write(p) })
				finished := false
				for _, data := range events(t, stream, n) {
					before := len(want.text)
					want.add(t, data)
					c, err := w.Event(data)
					if err != nil {
						t.Fatalf("%s: %v", data, err)
					}
					if c.Content != (len(want.text) > before) || c.Done || c.Error != nil || !c.Usage {
						t.Errorf("%+v for %s", c, data)
					}
					finished = finished || c.Finish
				}
				want.check(t, w, text.String())
				if finished != want.finished || !finished {
					t.Errorf("finished %v, want %v", finished, want.finished)
				}
			})
		}
	}
	if streams == 0 {
		t.Error("no recorded stream was read")
	}
}

func TestRecordedBodiesPassBy(t *testing.T) {
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
				for _, document := range elements(t, rec.Body) {
					want.add(t, document)
				}
				var text strings.Builder
				w := gemini.Dialect{}.Watch(func(p []byte) { text.Write(p) })
				if _, err := io.Copy(w, pieces{strings.NewReader(string(rec.Body)), n}); err != nil {
					t.Fatal(err)
				}
				if err := w.End(); err != nil || w.Error() != nil || w.ResponseID() != "" {
					t.Fatal(err, w.Error(), w.ResponseID())
				}
				want.check(t, w, text.String())
			})
		}
	}
	if bodies == 0 {
		t.Error("no recorded body was read")
	}
}

// elements are the answers of a body: itself, or those of a list.
func elements(t testing.TB, body []byte) []json.RawMessage {
	t.Helper()
	if body[0] != '[' {
		return []json.RawMessage{body}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRecordedErrors(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, rec := range recordings(t) {
		if rec.Status < 400 {
			continue
		}
		seen++
		var want struct {
			Error struct{ Message, Status string }
		}
		if err := json.Unmarshal(rec.Body, &want); err != nil {
			t.Fatal(err)
		}
		got := gemini.Dialect{}.DecodeError(rec.Status, rec.Body)
		if got.Message == "" || got.Message != want.Error.Message || got.Type != want.Error.Status || got.Status != rec.Status || got.Origin != llm.Gemini {
			t.Errorf("%s: %+v from %s", name, got, rec.Body)
		}
		if got.Kind() != llm.ClassOf(rec.Status) {
			t.Errorf("%s: class %d for status %d", name, got.Kind(), rec.Status)
		}
	}
	if seen == 0 {
		t.Error("no recorded error was read")
	}
}

func TestRecordedRequestsAreScanned(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' {
			continue
		}
		seen++
		var want struct {
			Model    string
			Contents []json.RawMessage

			GenerationConfig struct{ MaxOutputTokens int64 }
		}
		if err := json.Unmarshal(rec.Request, &want); err != nil {
			t.Fatal(err)
		}
		stream := rec.API == "streamgeneratecontent"
		s, err := gemini.Dialect{}.Scan(rec.Request, dialect.At{Model: "m", Stream: stream})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := s.Facts()
		if f.Model != "m" || f.Stream != stream || f.N != 1 ||
			f.Messages != int64(len(want.Contents)) || f.MaxTokens != want.GenerationConfig.MaxOutputTokens {
			t.Errorf("%s: %+v", name, f)
		}
		checkPatch(t, rec.Request)
	}
	if seen == 0 {
		t.Error("no recorded request was read")
	}
}
