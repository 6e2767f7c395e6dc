package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"aihigress/internal/llm"
)

// A request is what of a request that arrived at a vendor the tests look at, whatever its dialect.
type request struct {
	pictures   []string // addresses, or content as "type;content"
	calls      []string // ids of calls
	results    []string // ids that results name
	signatures []string // of thinking and of calls
	said       []string // "role: text" in the order of the messages
}

// readRequest reads a request in the words of its vendor's documentation, not with the gateway's own codecs.
func readRequest(t *testing.T, upstream string, body []byte) *request {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("the vendor got %q: %v", body, err)
	}
	r := &request{}
	switch upstream {
	case llm.OpenAI:
		r.chat(list(all["messages"]))
	case llm.Responses:
		r.say("system", all["instructions"])
		r.responses(list(all["input"]))
	case llm.Anthropic:
		r.say("system", all["system"])
		r.messages(list(all["messages"]))
	case llm.Gemini:
		r.gemini("system", object(all["systemInstruction"]))
		for _, c := range list(all["contents"]) {
			r.gemini(text(object(c)["role"]), object(c))
		}
	}
	return r
}

func list(v any) []any              { l, _ := v.([]any); return l }
func object(v any) map[string]any   { o, _ := v.(map[string]any); return o }
func text(v any) string             { s, _ := v.(string); return s }
func add(to *[]string, text string) { *to = append(*to, text) }

// addFound adds a text that may not be there.
func addFound(to *[]string, v any) {
	if s := text(v); s != "" {
		add(to, s)
	}
}

// say adds a text, or the texts of parts.
func (r *request) say(role string, content any) {
	if s := text(content); s != "" {
		add(&r.said, role+": "+s)
	}
	for _, part := range list(content) {
		addFound(&r.said, prefixed(role+": ", text(object(part)["text"])))
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// address is a picture that OpenAI's APIs get, in the form of a request's pictures.
func (r *request) address(v any) {
	add(&r.pictures, strings.Replace(strings.TrimPrefix(text(v), "data:"), ";base64,", ";", 1))
}

func (r *request) chat(messages []any) {
	for _, m := range messages {
		m := object(m)
		role := text(m["role"])
		r.say(role, m["content"])
		addFound(&r.results, m["tool_call_id"])
		addFound(&r.signatures, m["reasoning_content"])
		for _, c := range list(m["tool_calls"]) {
			add(&r.calls, text(object(c)["id"]))
		}
		for _, part := range list(m["content"]) {
			if at := object(object(part)["image_url"]); at != nil {
				r.address(at["url"])
			}
		}
	}
}

func (r *request) responses(items []any) {
	for _, item := range items {
		item := object(item)
		switch text(item["type"]) {
		case "", "message":
			r.say(text(item["role"]), item["content"])
			for _, part := range list(item["content"]) {
				if part := object(part); part["type"] == "input_image" {
					r.address(part["image_url"])
				}
			}
		case "reasoning":
			add(&r.signatures, text(item["encrypted_content"]))
		case "function_call":
			add(&r.calls, text(item["call_id"]))
		case "function_call_output":
			add(&r.results, text(item["call_id"]))
			r.say("tool", item["output"])
		}
	}
}

func (r *request) messages(messages []any) {
	for _, m := range messages {
		role := text(object(m)["role"])
		r.say(role, object(m)["content"])
		for _, b := range list(object(m)["content"]) {
			b := object(b)
			switch text(b["type"]) {
			case "image":
				source := object(b["source"])
				add(&r.pictures, text(source["url"])+prefixed(text(source["media_type"])+";", text(source["data"])))
			case "thinking":
				add(&r.signatures, text(b["signature"]))
			case "tool_use":
				add(&r.calls, text(b["id"]))
			case "tool_result":
				add(&r.results, text(b["tool_use_id"]))
				r.say("tool", b["content"])
			}
		}
	}
}

func (r *request) gemini(role string, content map[string]any) {
	for _, part := range list(content["parts"]) {
		part := object(part)
		addFound(&r.said, prefixed(role+": ", text(part["text"])))
		addFound(&r.signatures, part["thoughtSignature"])
		if in := object(part["inlineData"]); in != nil {
			add(&r.pictures, text(in["mimeType"])+";"+text(in["data"]))
		}
		if file := object(part["fileData"]); file != nil {
			add(&r.pictures, text(file["fileUri"]))
		}
		if c := object(part["functionCall"]); c != nil {
			add(&r.calls, text(c["id"]))
		}
		if result := object(part["functionResponse"]); result != nil {
			add(&r.results, text(result["id"]))
			addFound(&r.said, prefixed("tool: ", text(object(result["response"])["output"])))
		}
	}
}

// with are the texts that a role said.
func (r *request) with(role string) (texts []string) {
	for _, s := range r.said {
		if after, ok := strings.CutPrefix(s, role+": "); ok {
			texts = append(texts, after)
		}
	}
	return texts
}
