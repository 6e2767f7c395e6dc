package proxy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// A recording is an exchange between a public project and a vendor, kept beside the repository.
type recording struct {
	Provider string          `json:"provider"`
	API      string          `json:"api"`
	Stream   bool            `json:"stream"`
	Request  json.RawMessage `json:"request"`
	Status   int             `json:"response_status"`
	Headers  map[string]any  `json:"response_headers"`
	Body     json.RawMessage `json:"response_body"`
	Lines    []string        `json:"sse_lines"`
}

// Real answers of many vendors reach the caller as they are, whole and at one byte a read.
func TestRecordings(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../shared/recordings/*/*.json")
	if err != nil || len(names) == 0 {
		t.Skip("no recordings beside this checkout")
	}
	replayed := 0
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch r.API {
		case "chat/completions", "embeddings", "completions", "moderations", "images/generations", "images/edits", "audio/transcriptions", "audio/translations":
		default:
			continue
		}
		replayed++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			replay(t, &r, func(*proxy.Options, *snapshot.Contents) {})
			replay(t, &r, func(o *proxy.Options, _ *snapshot.Contents) { o.Upstream = oneByte{o.Upstream} })
		})
	}
	if replayed < 50 {
		t.Errorf("only %d recordings were of this dialect", replayed)
	}
}

func replay(t *testing.T, r *recording, change func(*proxy.Options, *snapshot.Contents)) {
	t.Helper()
	request, model := r.request(t)
	body, kind := r.answer(t)
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, script(r.Status, kind, body)), silent: true}}, change, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Models[0].Name, c.Models[0].Routes[0].UpstreamID = model, model
	})
	var a answered
	if strings.HasPrefix(r.API, "audio/") { // whose forms are not recorded
		request = formOf(100, "model="+model, "@", "stream="+strconv.FormatBool(r.Stream))
		a = w.upload("/"+r.API, strings.NewReader(request), int64(len(request)))
	} else {
		a = w.post("/"+r.API, request)
	}
	if got.body != request {
		t.Errorf("the vendor got\n%s\nwant\n%s", got.body, request)
	}
	e := w.only()
	if r.Status != 200 {
		if said := readError(t, a); a.StatusCode != r.Status && said.Type != "upstream_error" || said.Message == "" || e.Outcome == usage.OK {
			t.Errorf("%d %+v for %s", a.StatusCode, said, body)
		}
		return
	}
	if a.body != body || a.err != nil || a.StatusCode != 200 {
		t.Errorf("%d %v, the caller got\n%s\nwant\n%s", a.StatusCode, a.err, a.body, body)
	}
	if e.Outcome != usage.OK || e.Usage.IsZero() || e.Streamed != r.Stream {
		t.Errorf("%+v", e)
	}
}

// request is the recorded request and its model; where only the answer was kept, one that fits.
func (r *recording) request(t *testing.T) (body, model string) {
	t.Helper()
	var asked struct{ Model string }
	if err := json.Unmarshal(r.Request, &asked); err == nil && asked.Model != "" {
		return string(r.Request), asked.Model
	}
	body = `{"model":"any","messages":[{"role":"user","content":"hello"}]}`
	if r.Stream {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	return body, "any"
}

func (r *recording) answer(t *testing.T) (body, kind string) {
	t.Helper()
	if r.Stream && len(r.Lines) > 0 {
		return strings.Join(r.Lines, "\n"), "text/event-stream"
	}
	var text string
	if err := json.Unmarshal(r.Body, &text); err == nil {
		return text, "application/json"
	}
	return string(r.Body), "application/json"
}
