package graph

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The media types of answers. With the older one every well-formed request is answered 200, and what is wrong stands only in
// the body; with the newer the status tells too.
// Source: https://graphql.github.io/graphql-over-http/draft/
const (
	mediaJSON     = "application/json"
	mediaResponse = "application/graphql-response+json"
	mediaStream   = "text/event-stream"
)

// A refusal is an answer to what is not a GraphQL request, or not one that may be made this way.
type refusal struct {
	status  int
	code    string // "" is BAD_REQUEST
	message string
}

func (e *refusal) Error() string { return e.message }

func badRequest(message string) error {
	return &refusal{status: http.StatusBadRequest, message: message}
}

// http answers one operation, or streams it where the caller asks for events.
func (h *Handler) http(w http.ResponseWriter, r *http.Request) {
	media := negotiate(r.Header.Values("Accept"))
	if media == "" {
		refuse(w, mediaJSON, http.StatusNotAcceptable, "", "answers are "+mediaResponse+", "+mediaJSON+" or "+mediaStream)
		return
	}
	ctx, err := h.authenticate(r)
	if err != nil {
		h.deny(w, r, media, err)
		return
	}
	params, err := readParams(w, r)
	if err != nil {
		refused, ok := errors.AsType[*refusal](err)
		if !ok {
			refused = &refusal{status: http.StatusBadRequest, message: "the body could not be read"}
		}
		refuse(w, media, refused.status, refused.code, refused.message)
		return
	}
	ctx, op, errs := h.prepare(ctx, params)
	if errs == nil && r.Method == http.MethodGet && op.Operation.Operation == ast.Mutation {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, media, http.StatusMethodNotAllowed, "", "mutations need POST")
		return
	}
	if media == mediaStream {
		h.events(w, r.WithContext(ctx), op, errs)
		return
	}
	if errs == nil && op.Operation.Operation == ast.Subscription {
		refuse(w, media, http.StatusNotAcceptable, "", "subscriptions need Accept: "+mediaStream+", or a WebSocket")
		return
	}
	if errs != nil {
		status := http.StatusOK
		if media == mediaResponse {
			status = http.StatusBadRequest
		}
		respond(w, media, status, &graphql.Response{Errors: errs})
		return
	}
	next, ctx := h.exec.DispatchOperation(ctx, op)
	respond(w, media, http.StatusOK, next(ctx))
}

// negotiate picks the media type of the answer: the first of the best that the caller names; "" where none will do.
func negotiate(accept []string) string {
	if len(accept) == 0 {
		return mediaJSON
	}
	best, picked := 0.0, ""
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		switch media {
		case mediaJSON, mediaResponse, mediaStream:
		case "*/*", "application/*":
			media = mediaJSON
		default:
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if q > best {
			best, picked = q, media
		}
	}
	return picked
}

// readParams reads the operation out of the query or the body. Nothing of what was sent is repeated in its errors: there may
// be a password in it.
func readParams(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	if r.Method == http.MethodGet {
		return queryParams(r.URL.Query(), r.Header)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != mediaJSON {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, message: "the body must be " + mediaJSON}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, message: "the body is larger than 1 MiB"}
	}
	if err != nil {
		return nil, err
	}
	return bodyParams(raw, r.Header)
}

func queryParams(q url.Values, header http.Header) (*graphql.RawParams, error) {
	params := &graphql.RawParams{Query: q.Get("query"), OperationName: q.Get("operationName"), Headers: header}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if text := q.Get(name); text != "" && decode([]byte(text), into) != nil {
			return nil, badRequest(name + " must be a JSON object")
		}
	}
	if params.Query == "" {
		return nil, badRequest("query is missing")
	}
	return params, nil
}

func bodyParams(raw []byte, header http.Header) (*graphql.RawParams, error) {
	var body struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	err := decode(raw, &body)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return nil, badRequest(wrong.Field + " is of the wrong type")
	}
	if err != nil {
		return nil, badRequest("the body must be a JSON object")
	}
	if orZero(body.Query) == "" {
		return nil, badRequest("query is missing")
	}
	return &graphql.RawParams{
		Query: *body.Query, OperationName: orZero(body.OperationName), Variables: body.Variables, Extensions: body.Extensions, Headers: header,
	}, nil
}

// decode reads one JSON value and nothing behind it. Numbers stay text, so that large ones keep all their digits.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one value")
	}
	return nil
}

// encode writes a response. Where nothing was executed it has no data, which is not the same as data that is null.
func encode(response *graphql.Response) ([]byte, error) {
	return json.Marshal(struct {
		Errors     gqlerror.List   `json:"errors,omitempty"`
		Data       json.RawMessage `json:"data,omitempty"`
		Extensions map[string]any  `json:"extensions,omitempty"`
	}{response.Errors, response.Data, response.Extensions})
}

func respond(w http.ResponseWriter, media string, status int, response *graphql.Response) {
	raw, err := encode(response)
	if err != nil {
		panic(err) // maps of texts and numbers, and bytes that gqlgen wrote as JSON
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// refuse answers what is not executed. An event stream is refused in JSON: there are no events to send.
func refuse(w http.ResponseWriter, media string, status int, code, message string) {
	if media == mediaStream {
		media = mediaJSON
	}
	if code == "" {
		code = "BAD_REQUEST"
	}
	respond(w, media, status, &graphql.Response{Errors: gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}})
}
