package proxy_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/llm"
)

// A tool whose name the vendor would refuse is called by another there, and by its own when the call comes back.
func TestToolNamesComeBack(t *testing.T) {
	t.Parallel()
	name := "look.at_" + strings.Repeat("the_", 16)
	plain := llm.ToolName(name)
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if target.name != llm.OpenAI && target.name != llm.Responses || caller.name == target.name {
			return // other rules for names, or none
		}
		calls := target.calls(stream)
		renamed := func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			calls(rec, r)
			maps.Copy(w.Header(), rec.Header())
			_, _ = io.WriteString(w, strings.ReplaceAll(rec.Body.String(), `"look"`, `"`+plain+`"`)) // a client that went away is its own test
		}
		var got seen
		w := newWorld(t, []vendor{{handler: recorded(&got, renamed)}}, speaking(target.name))
		a := w.says(caller, stream, strings.ReplaceAll(lookTool[caller.name], `"look"`, `"`+name+`"`))
		if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r.tool != name {
			t.Errorf("%d %+v: %s", a.StatusCode, r, a.body)
		}
		if strings.Contains(got.body, name) || !strings.Contains(got.body, plain) {
			t.Errorf("the vendor got %s", got.body)
		}
	})
}
