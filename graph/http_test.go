package graph

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestNothingThatWasSentComesBackInErrors(t *testing.T) {
	t.Parallel()
	h := open(t)
	const canary = "hunter2-canary"
	for name, body := range map[string]string{
		"cut short":       `{"query":"mutation { signIn }","variables":{"password":"` + canary + `"`,
		"wrong type":      `{"query":["` + canary + `"]}`,
		"wrong variables": `{"query":"{ __typename }","variables":"` + canary + `"}`,
		"two values":      `{"query":"{ __typename }"} {"password":"` + canary + `"}`,
		"a list":          `[{"query":"{ __typename }","variables":{"password":"` + canary + `"}}]`,
		"bad variable":    `{"query":"query($n: Int) { users(first: $n) { nodes { id } } }","variables":{"n":"` + canary + `"}}`,
	} {
		_, _, raw := h.send(http.MethodPost, "", body, "Content-Type", mediaJSON)
		if strings.Contains(string(raw), canary) {
			t.Errorf("%s: the answer repeats what was sent: %s", name, raw)
		}
		if !gjson.GetBytes(raw, "errors").Exists() {
			t.Errorf("%s: was not refused: %s", name, raw)
		}
	}
	if strings.Contains(h.log.String(), canary) {
		t.Error("the log repeats what was sent")
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	h := open(t)
	status, _, raw := h.send(http.MethodPost, "", `{"query":"{ __typename }","x":"`+strings.Repeat("x", maxBody)+`"}`, "Content-Type", mediaJSON)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(string(raw), "1 MiB") {
		t.Errorf("status %d: %s", status, raw)
	}
}

func TestMethodsAndAccept(t *testing.T) {
	t.Parallel()
	h := open(t)
	query := "?query=" + url.QueryEscape("{ __typename }")
	for _, c := range []struct {
		method, query, accept string
		status                int
	}{
		{http.MethodPut, query, "", http.StatusMethodNotAllowed},
		{http.MethodGet, query, "image/png", http.StatusNotAcceptable},
		{http.MethodGet, query, "image/png, application/*;q=0.1", http.StatusOK},
		{http.MethodGet, query, "application/json;q=0", http.StatusNotAcceptable},
		{http.MethodGet, "", "", http.StatusBadRequest},
		{http.MethodGet, query + "&variables=[]", "", http.StatusBadRequest},
		{http.MethodGet, "?query=" + url.QueryEscape("subscription { liveMetrics { at } }"), "", http.StatusNotAcceptable},
	} {
		status, header, raw := h.send(c.method, c.query, "", "Accept", c.accept)
		if status != c.status {
			t.Errorf("%s %s with Accept %q: status %d, want %d: %s", c.method, c.query, c.accept, status, c.status, raw)
		}
		if c.status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
			t.Error("405 without Allow")
		}
	}
	for accept, want := range map[string]string{
		"application/graphql-response+json;q=0.5, application/json": mediaJSON,
		"application/graphql-response+json, application/json":       mediaResponse,
		"text/html, */*;q=0.8":                   mediaJSON,
		"text/event-stream":                      mediaStream,
		"application/json;q=x":                   "",
		"text/html":                              "",
		";;;, application/graphql-response+json": mediaResponse,
	} {
		if got := negotiate([]string{accept}); got != want {
			t.Errorf("negotiate(%q) = %q, want %q", accept, got, want)
		}
	}
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.drop("ALTER TABLE users RENAME TO gone")
	answer := h.ask(h.admin.token, `{ users { nodes { id } } }`, nil)
	first := answer.Get("errors.0")
	if first.Get("message").String() != "internal error" || first.Get("extensions.code").String() != codeInternal {
		t.Errorf("the error is %s", first)
	}
	if first.Get("extensions.requestId").String() == "" {
		t.Errorf("the error has no request id: %s", first)
	}
	if strings.Contains(answer.Raw, "relation") {
		t.Errorf("the answer tells of SQL: %s", answer)
	}
	h.settle()
	if !strings.Contains(h.log.String(), first.Get("extensions.requestId").String()) || !strings.Contains(h.log.String(), `relation \"users\" does not exist`) {
		t.Errorf("the log does not tell: %s", h.log)
	}
}

func TestPanicIsOneRequestsInternalError(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.domain.Users, h.domain.Reports = nil, nil // as a mistake of ours would
	h.stop()
	h.serve()
	h.same("the code", h.failed(h.admin.token, `{ users { nodes { id } } }`, nil), codeInternal)
	h.same("the next request", h.data(h.admin.token, `{ providers { totalCount } }`, nil).Get("providers.totalCount"), 0)
	l := h.listen(h.admin.token, "subscription { liveMetrics { at } }")
	_, event, _ := l.next()
	h.same("a stream's error", event.Get("errors.0.message"), "internal error")
	w := h.connect(h.admin.token)
	w.subscribe("1", "subscription { liveMetrics { at } }")
	h.same("a socket's error", w.read().Get("payload.0.message"), "internal error")
}
