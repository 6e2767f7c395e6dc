package simulator

import (
	"net/http"
	"strings"
)

// routeVertex adds Vertex AI: Google's own models and Claude under a project's path, and the endpoint where service
// accounts get their tokens.
func (s *Server) routeVertex() {
	own, claude := gemini{vertex: true}, anthropic{vertex: true}
	for _, version := range []string{"/v1", "/v1beta1"} {
		base := "POST " + version + "/projects/{project}/locations/{location}/publishers/"
		s.mux.HandleFunc(base+"google/models/{call...}", s.endpoint(own, answerGemini))
		s.mux.HandleFunc(base+"anthropic/models/{call...}", s.endpoint(claude, answerClaude))
	}
	s.mux.HandleFunc("POST /token", s.serveToken)
}

// answerClaude answers :rawPredict and :streamRawPredict.
func answerClaude(x *exchange) outcome {
	_, method := splitCall(x.r.PathValue("call"))
	switch {
	case method == "rawPredict" && strings.HasPrefix(x.model, "count-tokens"):
		return answerMessagesCount(x)
	case method == "rawPredict" || method == "streamRawPredict":
		return answerMessages(x)
	}
	gemini{vertex: true}.fail(x.w, failure{status: http.StatusNotFound, model: x.model})
	return failed
}

// serveToken answers POST /token as Google's OAuth server does: any assertion gets a token, which is good for nothing but
// this simulator.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	grant := r.PostFormValue("grant_type")
	ok := grant == "urn:ietf:params:oauth:grant-type:jwt-bearer" && strings.Count(r.PostFormValue("assertion"), ".") == 2 ||
		grant == "refresh_token" && r.PostFormValue("refresh_token") != ""
	body := `{"access_token":"ya29.sim-` + identifier(mix(s.seed, 9)) + `","expires_in":3599,"token_type":"Bearer"}`
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		body = `{"error":"invalid_grant","error_description":"Bad Request"}`
	}
	_, _ = w.Write([]byte(body)) // the client is free not to read it
}
