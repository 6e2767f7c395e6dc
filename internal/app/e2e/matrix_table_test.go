package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
)

var update = flag.Bool("update", false, "write what the matrix saw into docs/dialects.md")

const (
	tableFile  = "../../../docs/dialects.md"
	tableBegin = "<!-- The rest is written by: go test ./internal/app/e2e -run Matrix -update -->\n"
)

// titles are what the table calls the dialects.
var titles = map[string]string{llm.OpenAI: "OpenAI chat", llm.Responses: "OpenAI Responses", llm.Anthropic: "Anthropic", llm.Gemini: "Gemini"}

// known are the vendors' models in the second table: what is left out depends on what they are known to take.
var known = map[string]string{llm.OpenAI: "gpt-5.1", llm.Responses: "gpt-5.1", llm.Anthropic: "claude-sonnet-4-5", llm.Gemini: "gemini-2.5-flash"}

// checkTable holds the table in the docs against what was seen.
func (m *matrix) checkTable(t *testing.T) {
	var b strings.Builder
	m.writeFeatures(&b)
	m.writeDrops(t, &b)
	text, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	head, is, found := strings.Cut(string(text), tableBegin)
	if !found {
		t.Fatalf("%s has no line %q", tableFile, tableBegin)
	}
	if *update && !t.Failed() && !strings.Contains(b.String(), failed) {
		if err := os.WriteFile(tableFile, []byte(head+tableBegin+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(is, b.String()); diff != "" {
		t.Errorf("%s is not what was seen; -update writes it where all has passed:\n%s", tableFile, diff)
	}
}

// failed is the mark of a field that did not pass. It is never in the docs: the test fails.
const failed = "FAILED"

func (m *matrix) writeFeatures(b *strings.Builder) {
	b.WriteString("\n## What each pair can do\n\n| caller | provider |")
	for _, f := range features {
		b.WriteString(" " + f.name + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat(":---:|", len(features)) + "\n")
	for _, caller := range sides {
		for _, upstream := range sides {
			fmt.Fprintf(b, "| %s | %s |", titles[caller], titles[upstream])
			for _, f := range features {
				b.WriteString(" " + m.mark(caller, upstream, f) + " |")
			}
			b.WriteString("\n")
		}
	}
}

// mark is a field of the table: ✓ for a stream and ✓ for a whole answer.
func (m *matrix) mark(caller, upstream string, f feature) string {
	if f.has != nil && !f.has(caller, upstream) {
		return ""
	}
	ways := []bool{true, false}
	if f.whole {
		ways = ways[1:]
	}
	var marks []string
	for _, stream := range ways {
		if !m.passed[field{caller, upstream, f.name, stream}] {
			return failed
		}
		marks = append(marks, "✓")
	}
	return strings.Join(marks, "\u00a0")
}

func (m *matrix) writeDrops(t *testing.T, b *strings.Builder) {
	b.WriteString("\n## What each pair leaves out\n\n| caller | provider, model | `x-aihigress-dropped` |\n|---|---|---|\n")
	for _, caller := range sides {
		for _, upstream := range sides {
			dropped := "nothing: it passes as it is"
			if names := m.full(t, caller, upstream); len(names) > 0 {
				dropped = "`" + strings.Join(names, "` `") + "`"
			} else if caller != upstream {
				dropped = "nothing"
			}
			fmt.Fprintf(b, "| %s | %s, %s | %s |\n", titles[caller], titles[upstream], known[upstream], dropped)
		}
	}
}

// full sends requests that say all that the caller's dialect can say, and returns what was left out of them.
func (m *matrix) full(t *testing.T, caller, upstream string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "full", caller+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var requests []json.RawMessage
	if err := json.Unmarshal(text, &requests); err != nil {
		t.Fatal(err)
	}
	model := m.model(t, upstream, known[upstream])
	dropped := map[string]bool{}
	for i, body := range requests {
		header := m.post(t, fmt.Sprintf("%s to %s, request %d", caller, upstream, i), generation(caller, model), strings.ReplaceAll(string(body), `"MODEL"`, `"`+model+`"`))
		for name := range strings.SplitSeq(header.Get("X-Aihigress-Dropped"), ",") {
			if name != "" {
				dropped[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(dropped))
}

// generation is the path for whole answers.
func generation(dialect, model string) string {
	return map[string]string{
		llm.OpenAI: "/v1/chat/completions", llm.Responses: "/v1/responses", llm.Anthropic: "/v1/messages",
		llm.Gemini: "/v1beta/models/" + model + ":generateContent",
	}[dialect]
}

// post sends a body that must be answered and returns the answer's header.
func (m *matrix) post(t *testing.T, what, path, body string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.dev.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.dev.APIKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Sim-Signatures", "off") // those in the requests are nobody's
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s %v", what, resp.StatusCode, answer, err)
	}
	return resp.Header
}
