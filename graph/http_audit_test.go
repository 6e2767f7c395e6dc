package graph

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// TestGraphQLOverHTTP holds the door against the server audits of the reference implementation, by their ids and in their
// order: npm graphql-http@1.23.1, serverAudits.
func TestGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	h := open(t)
	const typename = `{"query":"{ __typename }"}`
	get := func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return "?" + q.Encode()
	}
	named := get("query", "query Type($name: String!) { __type(name: $name) { name } }", "variables", `{"name":"sometype"}`)
	const typeQuery = `{"query":"query Type($name: String!) { __type(name: $name) { name } }","variables":{"name":"sometype"}}`
	const coercion = `{"query":"query CoerceFailure($id: ID!){ __typename }","variables":{"id":null}}`
	const unknown = `{"query":"{ f8f31403dfe404bccbb0e835f2629c6a7 }"}`

	type audit struct {
		id, accept, body, query string
		contentType             string // of the request; "" is application/json
		status                  int
		answer                  string // media type; "" is not asked about
		noErrors, noData        bool
	}
	audits := []audit{
		{id: "22EB", accept: mediaResponse, body: typename, status: 200, answer: mediaResponse},
		{id: "4655", accept: mediaJSON, body: typename, status: 200, answer: mediaJSON},
		{id: "47DE", accept: "*/*", body: typename, status: 200, answer: mediaJSON},
		{id: "80D8 82A3 78D5 2C94 03D4", body: typename, status: 200, answer: mediaJSON},
		{id: "BF61", contentType: "application/json; charset=utf-8", body: `{"query":"{ __type(name: \"Run🏃Swim🏊\") { name } }"}`, status: 200},
		{id: "5A70", query: get("query", "{ __typename }"), status: 200},
		{id: "9C48", accept: mediaResponse, query: get("query", "mutation { __typename }"), status: 405},
		{id: "9ABE", contentType: "none", body: typename, status: 415},
		{id: "9ABE text", contentType: "text/plain;charset=UTF-8", body: typename, status: 415},
		{id: "A5BF", status: 400},
		{id: "423L", accept: mediaResponse, body: `{"notquery":"{ __typename }"}`, status: 400},
		{id: "34A2", accept: mediaResponse, body: typename, status: 200},
		{id: "13EE", accept: mediaJSON, body: typename, status: 200, noErrors: true},
		{id: "8161", accept: mediaResponse, body: `{"operationName":"Query","query":"query Query { __typename }"}`, status: 200},
		{id: "B8B3", accept: mediaJSON, body: `{"operationName":"Query","query":"query Query { __typename }"}`, status: 200, noErrors: true},
		{id: "2EA1", accept: mediaResponse, body: typeQuery, status: 200},
		{id: "28B9", accept: mediaJSON, body: typeQuery, status: 200, noErrors: true},
		{id: "D6D5", accept: mediaResponse, query: named, status: 200, noErrors: true},
		{id: "6A70", accept: mediaJSON, query: named, status: 200, noErrors: true},
		{id: "428F", accept: mediaResponse, body: `{"query":"{ __typename }","extensions":{"some":"value"}}`, status: 200},
		{id: "1B7A", accept: mediaJSON, body: `{"query":"{ __typename }","extensions":{"some":"value"}}`, status: 200, noErrors: true},
		{id: "B6DC BCF8", accept: mediaJSON, body: `{ "not a JSON`, status: 400},
		{id: "B7N8", accept: mediaResponse, body: `{ "not a JSON`, status: 400},
		{id: "8764 3E3A", body: `{"qeury":"{ __typename }"}`, status: 400},
		{id: "572B", accept: mediaJSON, body: `{"query":"{"}`, status: 200},
		{id: "FDE2", accept: mediaJSON, body: unknown, status: 200},
		{id: "7B9B", accept: mediaJSON, body: coercion, status: 200},
		{id: "865D 556A D586", accept: mediaResponse, body: `{"query":"{"}`, status: 400, noData: true},
		{id: "51FE 74FF 5E5B", accept: mediaResponse, body: unknown, status: 400, noData: true},
		{id: "86EE", accept: mediaResponse, body: coercion, status: 400},
	}
	for what, id := range map[string]string{"query": "LKJ", "operationName": "6C0", "variables": "476", "extensions": "58B"} {
		wrong := []string{`{"an":"object"}`, `0`, `false`, `["array"]`}
		body := `{"query":"{ __typename }","` + what + `":`
		switch what {
		case "query":
			body = `{"query":`
		case "variables", "extensions":
			wrong[0] = `"string"`
		}
		for _, value := range wrong {
			audits = append(audits, audit{id: id + " " + value, body: body + value + "}", status: 400})
		}
		if what != "query" {
			audits = append(audits,
				audit{id: "94B " + what, accept: mediaResponse, body: body + "null}", status: 200, noErrors: true},
				audit{id: "022 " + what, accept: mediaJSON, body: body + "null}", status: 200, noErrors: true})
		}
	}
	for _, a := range audits {
		t.Run(a.id, func(t *testing.T) {
			method, contentType := http.MethodPost, a.contentType
			switch {
			case a.query != "":
				method = http.MethodGet
			case contentType == "":
				contentType = mediaJSON
			case contentType == "none":
				contentType = ""
			}
			status, header, raw := h.send(method, a.query, a.body, "Content-Type", contentType, "Accept", a.accept)
			if status != a.status {
				t.Errorf("status %d, want %d: %s", status, a.status, raw)
			}
			if !strings.HasPrefix(header.Get("Content-Type"), a.answer) {
				t.Errorf("the answer is %s, want %s", header.Get("Content-Type"), a.answer)
			}
			if !utf8.Valid(raw) || !gjson.ValidBytes(raw) {
				t.Errorf("the answer is no JSON: %q", raw)
			}
			if a.noErrors && gjson.GetBytes(raw, "errors").Exists() {
				t.Errorf("errors: %s", raw)
			}
			if a.noData && gjson.GetBytes(raw, "data").Exists() {
				t.Errorf("there is data: %s", raw)
			}
			if status >= 400 && gjson.GetBytes(raw, "errors.0.message").String() == "" {
				t.Errorf("no reason is given: %s", raw)
			}
		})
	}
}
