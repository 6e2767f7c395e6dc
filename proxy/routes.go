package proxy

import (
	"net/http"

	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/reqid"
)

// An endpoint is one path of the dialect that is forwarded.
type endpoint struct {
	path    string // behind the provider's base URL, and behind /v1 here
	streams bool   // stream: true has a meaning
	output  bool   // the answer is generated, and paid by the token
}

var (
	chatCompletions = endpoint{path: "/chat/completions", streams: true, output: true}
	embeddings      = endpoint{path: "/embeddings"}
)

func (p *Proxy) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1"+chatCompletions.path, p.forward(&chatCompletions))
	mux.HandleFunc("POST /v1"+embeddings.path, p.forward(&embeddings))
	mux.HandleFunc("GET /v1/models", p.listModels)
	mux.HandleFunc("GET /v1/models/{id...}", p.getModel) // a model's name may have slashes
	mux.HandleFunc("/v1"+chatCompletions.path, allow("POST"))
	mux.HandleFunc("/v1"+embeddings.path, allow("POST"))
	mux.HandleFunc("/v1/models/{id...}", allow("GET, HEAD"))
	mux.HandleFunc("/v1/models", allow("GET, HEAD"))
	mux.HandleFunc("/", unknownPath)
	return mux
}

// forward serves an endpoint by forwarding it.
func (p *Proxy) forward(e *endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{p: p, w: w, r: r, endpoint: e, requestID: requestID(w, r)}
		c.serve()
	}
}

func unknownPath(w http.ResponseWriter, r *http.Request) {
	f := describe(fault.New(fault.NotFound, "Unknown request URL: %s %.200s.", r.Method, r.URL.Path).WithCode("unknown_url"), requestID(w, r))
	f.write(w)
}

// allow refuses every method and names those that there are.
func allow(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		f := describe(fault.New(fault.Invalid, "Not allowed to %s on %.200s.", r.Method, r.URL.Path).WithCode("method_not_supported"), requestID(w, r))
		f.status = http.StatusMethodNotAllowed
		f.write(w)
	}
}

// requestID is the id that correlates the call, and sees that the answer carries it. The middleware before the doors
// has chosen it; without one the proxy does.
func requestID(w http.ResponseWriter, r *http.Request) string {
	requestID := reqid.From(r.Context())
	if requestID == "" {
		if requestID = r.Header.Get("X-Request-Id"); !reqid.Valid(requestID) {
			requestID = id.New[id.Request]().String()
		}
	}
	w.Header()["X-Request-Id"] = []string{requestID}
	return requestID
}
