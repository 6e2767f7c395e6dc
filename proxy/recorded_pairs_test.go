package proxy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// recordedAPIs are the dialects of the recorded calls that generate.
var recordedAPIs = map[string]string{
	"chat/completions": llm.OpenAI, "responses": llm.Responses, "messages": llm.Anthropic, "rawpredict": llm.Anthropic,
	"streamrawpredict": llm.Anthropic, "generatecontent": llm.Gemini, "streamgeneratecontent": llm.Gemini,
}

// Real answers of many vendors reach callers of all four dialects: the one who speaks the vendor's gets the bytes, and the
// others the same text, calls and counts, whole and at one byte a read.
func TestRecordingsAcross(t *testing.T) {
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
		target, ok := recordedAPIs[r.API]
		if !ok || r.API == "streamgeneratecontent" && !r.Stream || strings.Contains(string(r.Body), `"response.input_tokens"`) {
			continue // a form that is never asked for, or no answer
		}
		replayed++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			body, kind := r.answer(t)
			own := replayTo(t, &r, target, target, body, kind, false)
			if own.event.Outcome == usage.OK && own.body != body {
				t.Errorf("bytes (-want +got):\n%s", cmp.Diff(body, own.body))
			}
			for _, caller := range speakers {
				for _, slow := range []bool{false, true} {
					got := replayTo(t, &r, caller.name, target, body, kind, slow)
					if diff := cmp.Diff(own.event, got.event); diff != "" {
						t.Errorf("to %s, slow is %v, booked (-own +theirs):\n%s", caller.name, slow, diff)
					}
					if own.event.Outcome != usage.OK || own.reply == (reply{}) {
						continue // nothing was said, and some dialects say in words why
					}
					if diff := cmp.Diff(own.reply, got.reply, cmp.AllowUnexported(reply{})); diff != "" {
						t.Errorf("to %s, slow is %v (-own +theirs):\n%s", caller.name, slow, diff)
					}
				}
			}
		})
	}
	if replayed < 90 {
		t.Errorf("only %d recordings were replayed", replayed)
	}
}

// played is what became of a replay, as far as it must be the same for every caller.
type played struct {
	body  string
	reply reply
	event struct {
		Outcome usage.Outcome
		Status  int
		Usage   llm.Usage
	}
}

func replayTo(t *testing.T, r *recording, caller, target, body, kind string, slow bool) (p played) {
	t.Helper()
	w := newWorld(t, []vendor{{handler: script(r.Status, kind, body)}}, speaking(target), func(o *proxy.Options, _ *snapshot.Contents) {
		if slow {
			o.Upstream = oneByte{o.Upstream}
		}
	})
	s := speakerOf(caller)
	a := w.says(s, r.Stream, "")
	e := w.only()
	p.body = a.body
	p.event.Outcome, p.event.Status, p.event.Usage = e.Outcome, e.HTTPStatus, e.Usage
	read := s.reads(t, r.Stream && a.StatusCode == 200, a.body)
	p.reply = reply{text: read.text, tool: read.tool}
	if r.Stream && e.Outcome == usage.OK && caller != target && !read.ended { // a vendor's own stream may lack [DONE]
		t.Errorf("to %s: the stream has no end: %.2000s", caller, a.body)
	}
	if a.err != nil || (e.Outcome == usage.OK) != (read.err == "") || r.Status != 200 && e.Outcome == usage.OK {
		t.Errorf("to %s: %d %v %s, %.2000s", caller, a.StatusCode, a.err, e.Outcome, a.body)
	}
	return p
}
