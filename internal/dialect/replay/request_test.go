package replay_test

import (
	"flag"
	"slices"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// Every recorded request reaches upstreams of all other dialects in a form that their vendors describe, and what is read
// of it there is all that the caller said, but for what was reported and what changes name.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	sent := 0
	for _, rec := range recordings(t) {
		if len(rec.Request) == 0 || rec.Request[0] != '{' || rec.Status != 200 {
			continue
		}
		asked, err := rec.dialect.DecodeRequest(rec.Request, rec.at())
		if err != nil {
			t.Errorf("%s: %v", rec.file, err)
			continue
		}
		for _, target := range dialects {
			if target.Name() == rec.dialect.Name() {
				continue
			}
			sent++
			t.Run(rec.file+"/"+target.Name(), func(t *testing.T) {
				t.Parallel()
				tryRequest(t, asked, target)
			})
		}
	}
	t.Cleanup(func() { // behind all of them
		for i, c := range changes {
			if flag.Lookup("test.run").Value.String() == "" && !metChanges[i].Load() {
				t.Errorf("no request has the change %+v", c)
			}
		}
	})
	if sent < 200 {
		t.Errorf("only %d requests were written", sent)
	}
}

// models are those that a request is written for: the newest of each vendor, which take the most.
var models = map[string]string{llm.OpenAI: "gpt-5.1", llm.Responses: "gpt-5.1", llm.Anthropic: "claude-opus-4-5", llm.Gemini: "gemini-3-pro-preview"}

// hosts are the vendors' own.
var hosts = map[string]string{llm.OpenAI: "api.openai.com", llm.Responses: "api.openai.com", llm.Anthropic: "api.anthropic.com", llm.Gemini: "generativelanguage.googleapis.com"}

func tryRequest(t *testing.T, asked *llm.Request, target dialect.Dialect) {
	model := models[target.Name()]
	body, dropped, err := target.EncodeRequest(asked, dialect.Target{Model: model, Stream: asked.Stream, AskUsage: true, Host: hosts[target.Name()]})
	if err != nil {
		if !refusable(asked, target.Name(), err) {
			t.Errorf("refused: %v", err)
		}
		return
	}
	holds(t, target.Name(), "request", body)
	got, err := target.DecodeRequest(body, dialect.At{Model: model, Stream: asked.Stream})
	if err != nil {
		t.Fatalf("%v in %.2000s", err, body)
	}
	lost, added := compare(facts(asked), facts(got))
	lost, added = explained(target.Name(), lost, added)
	for _, f := range lost {
		if f.field == "" || !reported(dropped, f.field) {
			t.Errorf("lost in silence (%s): %.300s", f.field, f.what)
		}
	}
	for _, f := range added {
		t.Errorf("nobody said (%s): %.300s", f.field, f.what)
	}
	if t.Failed() {
		t.Logf("dropped %s; %.3000s", dropped, body)
	}
}

// refusable reports whether a request may be refused for a target.
func refusable(*llm.Request, string, error) bool { return false }

// reported reports whether what was dropped names a field.
func reported(dropped []llm.Field, field llm.Field) bool { return slices.Contains(dropped, field) }

// compare is what is in only one of two lists.
func compare(want, got []fact) (lost, added []fact) {
	rest := slices.Clone(got)
	for _, f := range want {
		if at := slices.Index(rest, f); at >= 0 {
			rest = slices.Delete(rest, at, at+1)
		} else {
			lost = append(lost, f)
		}
	}
	return lost, rest
}
