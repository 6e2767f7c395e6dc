package proxy

import (
	"encoding/json"
	"net/http"
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// Models are listed from the snapshot: what the key may use, by name, in the form of the dialect that asks. OpenAI and
// Anthropic share the path; the header tells them apart.

// modelsFamily is the dialect that asks at /v1/models.
func modelsFamily(r *http.Request) dialect.Dialect {
	if r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != "" {
		return dialects[llm.Anthropic]
	}
	return dialects[llm.OpenAI]
}

// listModels answers GET /v1/models.
func (p *Proxy) listModels(w http.ResponseWriter, r *http.Request) {
	d := modelsFamily(r)
	s, key, err := p.authenticate(r, d)
	var list any
	if err == nil {
		if d.Name() == llm.Anthropic {
			list, err = anthropicModels(s, s.ModelsFor(key), r.URL.Query())
		} else {
			list = openaiModels(s, s.ModelsFor(key))
		}
	}
	answerModels(w, r, d, list, err)
}

// getModel answers GET /v1/models/{id}. The names that are not listed but work, slug/model, are found too.
func (p *Proxy) getModel(w http.ResponseWriter, r *http.Request) {
	d := modelsFamily(r)
	name := r.PathValue("id")
	s, _, err := p.findModel(r, d, name)
	var model any
	if err == nil {
		if d.Name() == llm.Anthropic {
			model = describeAnthropic(s, name)
		} else {
			model = describeOpenAI(s, name)
		}
	}
	answerModels(w, r, d, model, err)
}

// findModel finds the routes of a model that the key of a request may use.
func (p *Proxy) findModel(r *http.Request, d dialect.Dialect, name string) (*snapshot.Snapshot, []snapshot.Route, error) {
	s, key, err := p.authenticate(r, d)
	if err != nil {
		return nil, nil, err
	}
	routes, _, err := s.Resolve(key, name)
	return s, routes, err
}

// answerModels answers with a list or a model, or with an error in the dialect that asked.
func answerModels(w http.ResponseWriter, r *http.Request, d dialect.Dialect, answer any, err error) {
	requestID := requestID(w, r)
	if d.Name() == llm.Anthropic {
		w.Header()["Request-Id"] = []string{requestID} // where its SDKs look
	}
	if err != nil {
		f := describe(err, requestID)
		f.write(w, d)
		return
	}
	writeJSON(w, answer)
}

// An openaiModel is a model as OpenAI lists it.
type openaiModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func openaiModels(s *snapshot.Snapshot, names []string) any {
	list := struct {
		Object string        `json:"object"`
		Data   []openaiModel `json:"data"`
	}{"list", []openaiModel{}}
	for _, name := range names {
		list.Data = append(list.Data, describeOpenAI(s, name))
	}
	return list
}

func describeOpenAI(s *snapshot.Snapshot, name string) openaiModel {
	object := openaiModel{ID: name, Object: "model", OwnedBy: "aihigress"}
	if m, ok := s.Model(name); ok {
		object.Created = m.CreatedAt.Unix()
	}
	return object
}

func writeJSON(w http.ResponseWriter, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		panic("proxy: encode an answer: " + err.Error()) // plain structs always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}
