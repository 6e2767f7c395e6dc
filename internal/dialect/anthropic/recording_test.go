package anthropic_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"
	"aihigress/internal/sse"

	"github.com/google/go-cmp/cmp"
)

// recording is a real exchange between a public project and a vendor.
type recording struct {
	API     string
	Status  int             `json:"response_status"`
	Request json.RawMessage `json:"request"`
	Body    json.RawMessage `json:"response_body"`
	Lines   []string        `json:"sse_lines"`
}

// stream is the recorded body of a stream.
func (r *recording) stream() string { return strings.Join(r.Lines, "\n") }

// shared is the path of something beside the project, which the named variable overrides.
func shared(t testing.TB, variable, name string) string {
	t.Helper()
	at := found(variable, name)
	if at == "" {
		t.Skipf("no %s: set %s to its path", name, variable)
	}
	return at
}

// found is shared for those who can do without: "" where it is not there.
func found(variable, name string) string {
	if at := os.Getenv(variable); at != "" {
		return at
	}
	for dir, _ := os.Getwd(); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		at := filepath.Join(dir, "shared", name)
		if _, err := os.Stat(at); err == nil {
			return at
		}
	}
	return ""
}

// recordings are those of this dialect, by file name. They are not part of the project: AIHIGRESS_RECORDINGS names their
// folder, else it is looked for beside the project.
func recordings(t testing.TB) map[string]recording {
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
		switch r.API {
		case "messages", "count_tokens", "rawpredict", "streamrawpredict":
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

// each hands the data of the events of a stream, read n bytes at a time, to a function.
func each(t testing.TB, stream string, n int, with func(data []byte)) {
	t.Helper()
	events := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
	defer events.Close()
	for {
		e, err := events.Next()
		if e.Kind == sse.Message && len(e.Data) > 0 {
			with(e.Data)
		}
		if err != nil {
			return // recordings may end without their last blank line
		}
	}
}

// told is what a document says of text and usage, decoded as a whole.
type told struct {
	Type    string
	Usage   *usage
	Message struct{ Usage *usage }
	Delta   struct {
		Text, Thinking, Content string
		PartialJSON             string `json:"partial_json"`
	}
	ContentBlock block `json:"content_block"`
	Content      []block
}

type block struct {
	Text, Thinking, Name string
	Content, Input       json.RawMessage
}

func (b block) bytes() int {
	n := len(b.Text) + len(b.Thinking) + len(b.Name)
	if len(b.Input) > 2 {
		n += len(b.Input) - 2
	}
	var text string
	if json.Unmarshal(b.Content, &text) == nil {
		n += len(text)
	}
	return n
}

type usage struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	Read       *int64 `json:"cache_read_input_tokens"`
	Write      *int64 `json:"cache_creation_input_tokens"`
	Iterations []usage
	Details    struct {
		Thinking *int64 `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
	Tools struct {
		Search int64 `json:"web_search_requests"`
		Fetch  int64 `json:"web_fetch_requests"`
	} `json:"server_tool_use"`
}

func (u *usage) into(to *llm.Usage) {
	for _, f := range []struct {
		from *int64
		to   *int64
	}{{u.Input, &to.Input}, {u.Output, &to.Output}, {u.Read, &to.CachedInput}, {u.Write, &to.CacheWrite5m}, {u.Details.Thinking, &to.Reasoning}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if n := u.Tools.Search + u.Tools.Fetch; n > 0 {
		to.ToolUses = n
	}
	var sum llm.Usage
	for _, i := range u.Iterations {
		sum.Input += *i.Input
		sum.Output += *i.Output
	}
	to.Input, to.Output = max(to.Input, sum.Input), max(to.Output, sum.Output)
}

// expectation is what a watch has to find.
type expectation struct {
	text  int
	usage llm.Usage
}

func (e *expectation) add(t testing.TB, document []byte) {
	t.Helper()
	var d told
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	e.text += len(d.Delta.Text) + len(d.Delta.Thinking) + len(d.Delta.Content) + len(d.Delta.PartialJSON) + d.ContentBlock.bytes()
	for _, b := range d.Content {
		e.text += b.bytes()
	}
	for _, u := range []*usage{d.Usage, d.Message.Usage} {
		if u != nil {
			u.into(&e.usage)
		}
	}
}

func TestRecordedStreamsAsTheyPass(t *testing.T) {
	t.Parallel()
	streams := 0
	for name, rec := range recordings(t) {
		if rec.Lines == nil {
			continue
		}
		streams++
		for _, n := range []int{1, 7, len(rec.stream())} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var want expectation
				text, last, finished := 0, dialect.Chunk{}, false
				w := anthropic.Dialect{}.Watch(func(part []byte) { text += len(part) })
				each(t, rec.stream(), n, func(data []byte) {
					want.add(t, data)
					c, err := w.Event(data)
					if err != nil {
						t.Fatalf("%s: %v", data, err)
					}
					if c.Error != nil && c.Error.Message == "" {
						t.Errorf("an error without words: %s", data)
					}
					if want.text > 0 && text > 0 && !finished && c.Done {
						t.Errorf("done before it finished: %s", data)
					}
					last, finished = c, finished || c.Finish
				})
				got, ok := w.Usage()
				if got != want.usage || !ok || w.OddUsage() {
					t.Errorf("usage %+v, %v; the recording says %+v", got, ok, want.usage)
				}
				if text != want.text {
					t.Errorf("%d bytes of text, want %d", text, want.text)
				}
				if last.Done == (last.Error != nil) || last.Done != finished {
					t.Errorf("it ended with %+v, finished %v", last, finished)
				}
			})
		}
	}
	if streams == 0 {
		t.Error("no recorded stream was read")
	}
}

func TestRecordedBodiesAsTheyPass(t *testing.T) {
	t.Parallel()
	bodies := 0
	for name, rec := range recordings(t) {
		if rec.Body == nil || rec.Status != 200 || rec.API == "count_tokens" {
			continue
		}
		bodies++
		for _, n := range []int{1, 7, len(rec.Body)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var want expectation
				want.add(t, rec.Body)
				text := 0
				w := anthropic.Dialect{}.Watch(func(part []byte) { text += len(part) })
				if _, err := io.Copy(w, pieces{strings.NewReader(string(rec.Body)), n}); err != nil {
					t.Fatal(err)
				}
				if err := w.End(); err != nil || w.Error() != nil {
					t.Fatal(err, w.Error())
				}
				if got, ok := w.Usage(); got != want.usage || !ok {
					t.Errorf("usage %+v, %v; the recording says %+v", got, ok, want.usage)
				}
				if text != want.text {
					t.Errorf("%d bytes of text, want %d", text, want.text)
				}
			})
		}
	}
	if bodies == 0 {
		t.Error("no recorded body was read")
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
			Model     string
			Stream    bool
			MaxTokens int64             `json:"max_tokens"`
			Messages  []json.RawMessage `json:"messages"`
		}
		if err := json.Unmarshal(rec.Request, &want); err != nil {
			t.Fatal(err)
		}
		body := []byte(rec.Request)
		if want.Model == "" { // Vertex has it in the address
			want.Model = "claude"
			body = append([]byte(`{"model":"claude",`), body[1:]...)
		}
		s, err := anthropic.Dialect{}.Scan(body, dialect.At{})
		if rec.API == "count_tokens" {
			s, err = anthropic.Dialect{}.ScanCount(body)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := s.Facts()
		if f.Model != want.Model || f.Stream != want.Stream || f.MaxTokens != want.MaxTokens ||
			f.Messages != int64(len(want.Messages)) {
			t.Errorf("%s: %+v, want %+v", name, f, want)
		}
		text := int64(0)
		s.PromptText(body, func(part []byte) { text += int64(len(part)) })
		if text != f.TextBytes || text+f.Images == 0 {
			t.Errorf("%s: %d bytes of text are counted, %d passed on", name, f.TextBytes, text)
		}
		checkPatch(t, body)
	}
	if seen == 0 {
		t.Error("no recorded request was read")
	}
}

func TestRecordedErrors(t *testing.T) {
	t.Parallel()
	want := map[string]*llm.Error{
		"004": {Status: 404, Class: llm.NotFound, Type: "not_found_error", RequestID: "req_011CVEA3SF7rnb3DuBZytqQa", Message: "model: claude-does-not-exist"},
		"031": {Status: 400, Class: llm.TooLarge, Type: "invalid_request_error", RequestID: "req_011CeCGmMJJGRCp7xgjqapmJ", Message: "prompt is too long: 3333404 tokens > 200000 maximum"},
		"032": {Status: 401, Class: llm.Unauthorized, Type: "authentication_error", RequestID: "req_011CeCGmBjaWkq37Sf5iU7so", Message: "invalid x-api-key"},
		"901": {Status: 529, Class: llm.Overloaded, Type: "overloaded_error", RequestID: "req_011CX7J5ZXp3npD8nY7VYZvm", Message: "Overloaded"},
	}
	for name, rec := range recordings(t) {
		if rec.Status < 400 {
			continue
		}
		w := want[name[:3]]
		if w == nil {
			t.Errorf("%s is not in the table", name)
			continue
		}
		w.Origin = llm.Anthropic
		if diff := cmp.Diff(w, anthropic.Dialect{}.DecodeError(rec.Status, rec.Body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
