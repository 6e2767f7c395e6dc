package gemini_test

import (
	"encoding/json"
	"testing"
)

// clientTurn is what a client sends on: the question, the answer as it got it, and results of its calls.
func clientTurn(t *testing.T, answers []string, keepThoughts bool) []byte {
	t.Helper()
	contents := []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": "go"}}}}
	var results []any
	for _, answer := range answers {
		var a struct {
			Candidates []struct {
				Content struct{ Parts []map[string]any }
			}
		}
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		var kept []any
		for _, part := range a.Candidates[0].Content.Parts {
			if call, ok := part["functionCall"].(map[string]any); ok {
				results = append(results, map[string]any{"functionResponse": map[string]any{"id": call["id"], "name": call["name"],
					"response": map[string]any{"output": "done"}}})
			} else if !keepThoughts && (part["thought"] == true || part["text"] == "") {
				continue
			}
			kept = append(kept, part)
		}
		if len(kept) > 0 {
			contents = append(contents, map[string]any{"role": "model", "parts": kept})
		}
	}
	contents = append(contents, map[string]any{"role": "user", "parts": results})
	body, err := json.Marshal(map[string]any{"contents": contents})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
