package proxy

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// A geminiModel is a model as Google lists it.
type geminiModel struct {
	Name    string   `json:"name"` // models/ID
	Base    string   `json:"baseModelId"`
	Version string   `json:"version"`
	Display string   `json:"displayName"`
	Input   int64    `json:"inputTokenLimit,omitempty"`
	Output  int64    `json:"outputTokenLimit,omitempty"`
	Methods []string `json:"supportedGenerationMethods"`
}

// listGeminiModels answers GET /v1beta/models: pageSize of them (50; at most 1000) behind pageToken.
func (p *Proxy) listGeminiModels(w http.ResponseWriter, r *http.Request) {
	d := dialects[llm.Gemini]
	s, key, err := p.authenticate(r, d)
	var list any
	if err == nil {
		list, err = geminiModels(s, key, r.URL.Query())
	}
	answerModels(w, r, d, list, err)
}

// getGeminiModel answers GET /v1beta/models/{model}.
func (p *Proxy) getGeminiModel(w http.ResponseWriter, r *http.Request) {
	d := dialects[llm.Gemini]
	name := r.PathValue("model")
	if _, action, ok := cutLast(name, ":"); ok && geminiActions[action] != nil { // no model, but what one is asked for
		allow("POST")(w, r)
		return
	}
	_, routes, err := p.findModel(r, d, name)
	var model any
	if err == nil {
		model = describeGemini(name, routes)
	}
	answerModels(w, r, d, model, err)
}

func geminiModels(s *snapshot.Snapshot, key *snapshot.Key, query url.Values) (any, error) {
	size, err := pageSize(query, "pageSize", 50)
	if err != nil {
		return nil, err
	}
	names := s.ModelsFor(key)
	if token := query.Get("pageToken"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, &llm.RequestError{Param: "pageToken", Message: "The pageToken is none that a list gave."}
		}
		names = behind(names, string(last))
	}
	var list struct {
		Models []geminiModel `json:"models,omitempty"`
		Next   string        `json:"nextPageToken,omitempty"`
	}
	for i, name := range names {
		if i == size {
			list.Next = base64.RawURLEncoding.EncodeToString([]byte(names[i-1]))
			break
		}
		if routes, _, err := s.Resolve(key, name); err == nil {
			list.Models = append(list.Models, describeGemini(name, routes))
		}
	}
	return list, nil
}

// describeGemini is a model with what can be asked of it. Providers do not say what a model is for; one that makes vectors
// has it in its name at every vendor.
func describeGemini(name string, routes []snapshot.Route) geminiModel {
	m := geminiModel{Name: "models/" + name, Base: name, Version: "1", Display: name}
	embeds := strings.Contains(strings.ToLower(name), "embed")
	for i := range routes {
		embeds = embeds || strings.Contains(strings.ToLower(routes[i].UpstreamID), "embed")
		if u := routes[i].Upstream; u != nil {
			m.Input, m.Output = max(m.Input, u.Context), max(m.Output, u.MaxOutput)
		}
	}
	methods := []string{"generateContent", "streamGenerateContent", "countTokens"}
	if embeds {
		methods = []string{"embedContent", "batchEmbedContents", "countTokens"}
	}
	for _, method := range methods {
		for i := range routes {
			if geminiActions[method].serves(routes[i].Provider) {
				m.Methods = append(m.Methods, method)
				break
			}
		}
	}
	return m
}
