package proxy

import (
	"encoding/json"
	"net/http"
	"strconv"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// A modelObject is a model as OpenAI lists it.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// listModels answers GET /v1/models from the snapshot: what this key may use.
func (p *Proxy) listModels(w http.ResponseWriter, r *http.Request) {
	requestID := requestID(w, r)
	s, key, err := p.authenticate(r, dialects[llm.OpenAI])
	if err != nil {
		f := describe(err, requestID)
		f.write(w, dialects[llm.OpenAI])
		return
	}
	list := struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{"list", []modelObject{}}
	for _, name := range s.ModelsFor(key) {
		list.Data = append(list.Data, describeModel(s, name))
	}
	writeJSON(w, list)
}

// getModel answers GET /v1/models/{id}. The names that are not listed but work, slug/model, are found too.
func (p *Proxy) getModel(w http.ResponseWriter, r *http.Request) {
	requestID := requestID(w, r)
	s, key, err := p.authenticate(r, dialects[llm.OpenAI])
	name := r.PathValue("id")
	if err == nil {
		_, _, err = s.Resolve(key, name)
	}
	if err != nil {
		f := describe(err, requestID)
		f.write(w, dialects[llm.OpenAI])
		return
	}
	writeJSON(w, describeModel(s, name))
}

func describeModel(s *snapshot.Snapshot, name string) modelObject {
	object := modelObject{ID: name, Object: "model", OwnedBy: "aihigress"}
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
