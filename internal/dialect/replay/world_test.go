package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
	"aihigress/internal/sse"
)

// dialects are all there are.
var dialects = []dialect.Dialect{openai.Dialect{}, responses.Dialect{}, anthropic.Dialect{}, gemini.Dialect{}}

func named(name string) dialect.Dialect {
	for _, d := range dialects {
		if d.Name() == name {
			return d
		}
	}
	panic("no dialect " + name)
}

// apis are the recorded calls that generate, by the dialect that they speak.
var apis = map[string]string{
	"chat/completions": llm.OpenAI, "responses": llm.Responses, "messages": llm.Anthropic, "rawpredict": llm.Anthropic,
	"streamrawpredict": llm.Anthropic, "generatecontent": llm.Gemini, "streamgeneratecontent": llm.Gemini,
}

// recording is a real exchange between a public project and a vendor.
type recording struct {
	file    string
	dialect dialect.Dialect

	API     string
	Path    string          `json:"url_path"`
	Status  int             `json:"response_status"`
	Request json.RawMessage `json:"request"`
	Body    json.RawMessage `json:"response_body"`
	Lines   []string        `json:"sse_lines"`
}

// stream is the recorded body of a stream.
func (r *recording) stream() string { return strings.Join(r.Lines, "\n") }

// at is what the address of the recorded request said.
func (r *recording) at() dialect.At {
	if r.dialect.Name() != llm.Gemini {
		return dialect.At{}
	}
	model, _, _ := strings.Cut(r.Path[strings.LastIndexByte(r.Path, '/')+1:], ":")
	return dialect.At{Model: model, Stream: strings.Contains(r.Path, ":stream")}
}

// shared is the path of something beside the project, which the named variable overrides; empty where it is not there.
func shared(variable, name string) string {
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

// shortened are pictures whose middle the recordings leave out, which is no base64.
var shortened = regexp.MustCompile(`UklGR[A-Za-z0-9+/]+\.\.\.[A-Za-z0-9+/]+=*`)

// recordings are those of calls that generate. They are not part of the project: AIHIGRESS_RECORDINGS names their folder,
// else it is looked for beside the project.
func recordings(t *testing.T) []recording {
	t.Helper()
	all, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Skip("no recordings: set AIHIGRESS_RECORDINGS to their folder")
	}
	return all
}

// recorded are the recordings, none where they are not there.
func recorded() ([]recording, error) {
	root := shared("AIHIGRESS_RECORDINGS", "recordings")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || root == "" {
		return nil, err
	}
	var all []recording
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text = shortened.ReplaceAll(text, []byte("UklGRgAAAABXRUJQ"))
		r := recording{file: filepath.Base(file)}
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if name, ok := apis[r.API]; ok {
			r.dialect = named(name)
			if rest, ok := bytes.CutPrefix(r.Request, []byte("{")); ok && strings.HasSuffix(r.API, "rawpredict") {
				r.Request = append([]byte(`{"model":"claude-3-7-sonnet",`), rest...) // Vertex AI has it in the address
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// each hands the data of the events of a stream, read n bytes at a time, to a function until it returns false.
func each(stream string, n int, with func(data []byte) bool) {
	events := sse.NewReader(pieces{strings.NewReader(stream), n}, 0)
	defer events.Close()
	for {
		e, err := events.Next()
		if e.Kind == sse.Message && len(e.Data) > 0 && !with(e.Data) {
			return
		}
		if err != nil {
			return // recordings may end without their last blank line
		}
	}
}

// told is what became of a stream.
type told struct {
	answer *llm.Response
	failed *llm.Error
	whole  bool
	err    error
	form   error  // what is wrong with the events
	out    []byte // written for the caller, where there is one
}

// tell decodes a stream, read n bytes at a time, and writes it for a caller, if there is one.
func tell(from dialect.Dialect, stream string, n int, to dialect.Encoder) told {
	var r told
	var fold llm.Fold
	var form form
	decoder := from.Decoder()
	emit := func(e *llm.Event) error {
		if err := form.add(e); err != nil && r.form == nil {
			r.form = err
		}
		if e.Kind == llm.Failed {
			r.failed = e.Err
			return nil
		}
		fold.Add(e)
		if to == nil {
			return nil
		}
		var err error
		r.out, err = to.Append(r.out, e)
		return err
	}
	each(stream, n, func(data []byte) bool {
		var done bool
		done, r.err = decoder.Decode(data, emit)
		return !done && r.err == nil
	})
	if r.err == nil && r.failed == nil {
		r.whole, r.err = decoder.End(emit)
	}
	if r.whole {
		if err := form.end(); r.form == nil {
			r.form = err
		}
	}
	if to != nil && r.whole && r.err == nil {
		r.out = to.AppendEnd(r.out)
	}
	r.answer = fold.Response()
	return r
}
