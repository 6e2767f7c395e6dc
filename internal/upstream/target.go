package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
)

const (
	listTimeout  = 30 * time.Second
	probeTimeout = 60 * time.Second // a model may have to be loaded first
	maxList      = 16 << 20         // bytes of one page of models
	maxPages     = 20
	maxProbe     = 1 << 20 // bytes of a probe's answer
)

// Client calls providers for discovery and probes.
var _ provider.Caller = (*Client)(nil)

// ListModels asks a provider for the ids of its models, page by page where the dialect has pages.
func (c *Client) ListModels(ctx context.Context, t provider.Target) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	call, err := c.listing(t)
	if err != nil {
		return nil, err
	}
	var ids []string
	for range maxPages {
		var page modelsPage
		if err := c.get(ctx, t, call, &page); err != nil {
			return nil, err
		}
		ids = page.appendIDs(ids, t)
		switch {
		case page.HasMore && page.LastID != "":
			call.Query.Set("after_id", page.LastID)
		case page.Next != "":
			call.Query.Set("pageToken", page.Next)
		default:
			return ids, nil
		}
	}
	return nil, fault.New(fault.Upstream, "the provider's list of models has more than %d pages", maxPages)
}

// listing is the call for the first page of models.
func (c *Client) listing(t provider.Target) (Call, error) {
	p, err := c.configuration(t)
	if err != nil {
		return Call{}, err
	}
	call := Call{Provider: p, Method: http.MethodGet, Query: url.Values{}}
	if _, own := p.Paths[string(ListModels)]; t.Kind == provider.KindVertex && !own {
		return vertexListing(call, t), nil
	}
	a, err := Locate(p, ListModels, "", false)
	if err != nil {
		return call, err
	}
	call.Path, call.Header = a.Path, a.Header
	for name, values := range a.Query {
		call.Query[name] = values
	}
	switch t.Dialect {
	case llm.Anthropic:
		call.Query.Set("limit", "1000")
	case llm.Gemini:
		call.Query.Set("pageSize", "1000")
	}
	return call, nil
}

// vertexListing is the call for the models of a publisher. Vertex AI lists them beside the projects and in its beta version
// alone (publishers.models.list), on the account of the project that the base URL names.
func vertexListing(call Call, t provider.Target) Call {
	publisher := "google"
	if t.Dialect == llm.Anthropic {
		publisher = "anthropic"
	}
	call.Provider.BaseURL = &url.URL{Scheme: t.BaseURL.Scheme, Host: t.BaseURL.Host}
	call.Path = "/v1beta1/publishers/" + publisher + "/models"
	if _, behind, ok := strings.Cut(t.BaseURL.Path, "/projects/"); ok {
		project, _, _ := strings.Cut(behind, "/")
		call.Header = http.Header{"X-Goog-User-Project": {project}}
	}
	return call
}

// modelsPage is one page of models, in any dialect.
type modelsPage struct {
	Data      []struct{ ID string }
	HasMore   bool   `json:"has_more"`
	LastID    string `json:"last_id"`
	Models    []struct{ Name string }
	Published []struct{ Name string } `json:"publisherModels"`
	Next      string                  `json:"nextPageToken"`
}

func (page *modelsPage) appendIDs(ids []string, t provider.Target) []string {
	for _, m := range page.Data {
		ids = append(ids, m.ID)
	}
	for _, m := range page.Models {
		ids = append(ids, strings.TrimPrefix(m.Name, "models/"))
	}
	for _, m := range page.Published { // publishers/google/models/gemini-3-pro
		publisher, name, ok := strings.Cut(strings.TrimPrefix(m.Name, "publishers/"), "/models/")
		if ok && t.Dialect == llm.OpenAI {
			name = publisher + "/" + name
		}
		if ok {
			ids = append(ids, name)
		}
	}
	return ids
}

// get reads one JSON answer.
func (c *Client) get(ctx context.Context, t provider.Target, call Call, into any) error {
	call.Header = call.Header.Clone() // Do changes it
	response, err := c.call(ctx, t, call)
	if err != nil {
		return err
	}
	defer drain(response)
	if response.StatusCode != http.StatusOK {
		return fault.New(fault.Upstream, "the provider answered HTTP %d", response.StatusCode).WithCode(fmt.Sprintf("http_%d", response.StatusCode))
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxList+1))
	if err != nil {
		return classify(ctx, err)
	}
	if len(raw) > maxList {
		return fault.New(fault.Upstream, "the provider's list of models is larger than %d MiB", maxList>>20)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.Wrap(err, fault.Upstream, "the provider's list of models is not what its dialect says")
	}
	return nil
}

// Probe asks a model for one token.
func (c *Client) Probe(ctx context.Context, t provider.Target, model string) (status int, latency time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	start := time.Now()
	status, refused, err := c.ask(ctx, t, model, "max_tokens")
	// OpenAI's reasoning models refuse the old name of the limit and others do not know the new one.
	if err == nil && status == http.StatusBadRequest && t.Dialect == llm.OpenAI && bytes.Contains(refused, []byte("max_completion_tokens")) {
		start = time.Now()
		status, _, err = c.ask(ctx, t, model, "max_completion_tokens")
	}
	return status, time.Since(start), err
}

// ask makes the smallest request of the dialect, for a stream only where the provider has nothing else. answer is what came
// with a status that is no success.
func (c *Client) ask(ctx context.Context, t provider.Target, model, limit string) (status int, answer []byte, err error) {
	p, err := c.configuration(t)
	if err != nil {
		return 0, nil, err
	}
	stream := t.Streaming == provider.StreamsOnly
	at, err := Locate(p, Generate, model, stream)
	if err != nil {
		return 0, nil, err
	}
	body, err := smallest(t.Dialect, model, limit, stream, at)
	if err != nil {
		return 0, nil, fmt.Errorf("write probe: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	maps.Copy(header, at.Header)
	response, err := c.call(ctx, t, Call{Provider: p, Path: at.Path, Query: at.Query, Header: header, Body: body})
	if err != nil {
		return 0, nil, err
	}
	defer drain(response)
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return response.StatusCode, nil, nil
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxProbe))
	if err != nil {
		return 0, nil, classify(ctx, err)
	}
	return response.StatusCode, answer, nil
}

// smallest is the body of the smallest request of a dialect. limit is what OpenAI's chat is to call its limit.
func smallest(dialectName, model, limit string, stream bool, at Address) ([][]byte, error) {
	type object = map[string]any
	message := []object{{"role": "user", "content": "ping"}}
	body := object{"model": model, "messages": message, limit: 1}
	switch dialectName {
	case llm.Responses:
		body = object{"model": model, "input": "ping", "max_output_tokens": 16} // the least it takes
	case llm.Anthropic:
		body = object{"model": model, "messages": message, "max_tokens": 1}
	case llm.Gemini: // Vertex AI wants the role, which others may leave out
		body = object{"contents": []object{{"role": "user", "parts": []object{{"text": "ping"}}}}, "generationConfig": object{"maxOutputTokens": 1}}
	}
	if stream && dialectName != llm.Gemini {
		body["stream"] = true
	}
	raw, err := json.Marshal(body)
	if err != nil || dialectName != llm.Anthropic {
		return [][]byte{raw}, err
	}
	scanned, err := anthropic.Dialect{}.Scan(raw, dialect.At{})
	if err != nil {
		return nil, err
	}
	return scanned.Patch(raw, dialect.Patch{
		Model: model, OmitModel: at.OmitModel, AnthropicVersion: at.AnthropicVersion, ClaudeCLI: at.ClaudeCLI,
	}), nil
}

// configuration is a target as the data plane has it.
func (c *Client) configuration(t provider.Target) (*snapshot.Provider, error) {
	pool, err := c.pool(t.EgressPoolID)
	if err != nil {
		return nil, err
	}
	return &snapshot.Provider{
		ID: t.ID, Slug: t.Slug, Dialect: t.Dialect, Kind: t.Kind, BaseURL: t.BaseURL, Headers: t.Headers, Paths: t.Paths,
		AllowPrivate: t.AllowPrivate, Allow: strings.Join(t.AllowHosts, ","), CACertificate: t.CACertificate, Egress: pool,
	}, nil
}

// call is Do with a target's key.
func (c *Client) call(ctx context.Context, t provider.Target, call Call) (*http.Response, error) {
	call.Key = &snapshot.ProviderKey{ID: t.KeyID, Secret: t.Secret}
	return c.Do(ctx, call)
}

// drain lets the connection be used again, unless that would take long.
func drain(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // an end before that is what is hoped for
	response.Body.Close()
}
