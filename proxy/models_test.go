package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// Who asks for models hears of those that their key may call, in the form of their dialect, and of no other.
func TestModelsOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(`{}`)}}, func(_ *proxy.Options, c *snapshot.Contents) {
		other := *c.Models[0]
		other.Name = "other"
		c.Models = append(c.Models, &other)
		c.Keys[0].Models = map[string]struct{}{"other": {}}
	})
	for _, tt := range []struct{ path, header string }{{"/v1/models", ""}, {"/v1/models", "Anthropic-Version"}, {"/v1beta/models", ""}} {
		get := func(path string) answered {
			r := w.request("", "")
			r.Method, r.Body, r.ContentLength, r.URL.Path = "GET", nil, 0, path
			if tt.header != "" {
				r.Header.Set(tt.header, "2023-06-01")
			}
			return w.do(r)
		}
		a := get(tt.path)
		var list struct {
			Data   []struct{ ID string }
			Models []struct{ Name string }
		}
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.StatusCode != 200 {
			t.Fatalf("%d %s: %v", a.StatusCode, a.body, err)
		}
		var names []string
		for _, m := range list.Data {
			names = append(names, m.ID)
		}
		for _, m := range list.Models {
			names = append(names, m.Name)
		}
		if got := strings.TrimPrefix(strings.Join(names, " "), "models/"); got != "other" {
			t.Errorf("%s %s: %q", tt.path, tt.header, got)
		}
		if mine, not := get(tt.path+"/other").StatusCode, get(tt.path+"/m").StatusCode; mine != 200 || not != 404 {
			t.Errorf("%s %s: %d for one of the key's, %d for another", tt.path, tt.header, mine, not)
		}
	}
}
