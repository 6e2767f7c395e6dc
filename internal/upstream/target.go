package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aihigress/internal/fault"
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
	var ids []string
	query := url.Values{}
	path := "/models"
	switch t.Dialect {
	case "anthropic":
		path = "/v1/models"
		query.Set("limit", "1000")
	case "gemini":
		query.Set("pageSize", "1000")
	}
	for range maxPages {
		var list struct {
			Data    []struct{ ID string }
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
			Models  []struct{ Name string }
			Next    string `json:"nextPageToken"`
		}
		if err := c.get(ctx, t, path, query, &list); err != nil {
			return nil, err
		}
		for _, m := range list.Data {
			ids = append(ids, m.ID)
		}
		for _, m := range list.Models {
			ids = append(ids, strings.TrimPrefix(m.Name, "models/"))
		}
		switch {
		case t.Dialect == "anthropic" && list.HasMore && list.LastID != "":
			query.Set("after_id", list.LastID)
		case t.Dialect == "gemini" && list.Next != "":
			query.Set("pageToken", list.Next)
		default:
			return ids, nil
		}
	}
	return nil, fault.New(fault.Upstream, "the provider's list of models has more than %d pages", maxPages)
}

// get reads one JSON answer.
func (c *Client) get(ctx context.Context, t provider.Target, path string, query url.Values, into any) error {
	response, err := c.call(ctx, t, Call{Method: http.MethodGet, Path: path, Query: query})
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
	if err == nil && status == http.StatusBadRequest && t.Dialect == "openai" && bytes.Contains(refused, []byte("max_completion_tokens")) {
		start = time.Now()
		status, _, err = c.ask(ctx, t, model, "max_completion_tokens")
	}
	return status, time.Since(start), err
}

// ask makes the smallest request of the dialect. answer is what came with a status that is no success.
func (c *Client) ask(ctx context.Context, t provider.Target, model, limit string) (status int, answer []byte, err error) {
	type object = map[string]any
	message := []object{{"role": "user", "content": "ping"}}
	path, body := "/chat/completions", object{"model": model, "messages": message, limit: 1}
	switch t.Dialect {
	case "responses":
		path, body = "/responses", object{"model": model, "input": "ping", "max_output_tokens": 16} // the least it takes
	case "anthropic":
		path, body = "/v1/messages", object{"model": model, "messages": message, "max_tokens": 1}
	case "gemini":
		if strings.Contains(model, "..") {
			return 0, nil, errors.New("the model's name is no path")
		}
		path = "/models/" + model + ":generateContent"
		body = object{"contents": []object{{"parts": []object{{"text": "ping"}}}}, "generationConfig": object{"maxOutputTokens": 1}}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, nil, fmt.Errorf("write probe: %w", err)
	}
	response, err := c.call(ctx, t, Call{Path: path, Header: http.Header{"Content-Type": {"application/json"}}, Body: [][]byte{raw}})
	if err != nil {
		return 0, nil, err
	}
	defer drain(response)
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxProbe))
	if err != nil {
		return 0, nil, classify(ctx, err)
	}
	return response.StatusCode, answer, nil
}

// call is Do for a target.
func (c *Client) call(ctx context.Context, t provider.Target, call Call) (*http.Response, error) {
	call.Provider = &snapshot.Provider{
		Slug: t.Slug, Dialect: t.Dialect, BaseURL: t.BaseURL, Headers: t.Headers, AllowPrivate: t.AllowPrivate,
	}
	call.Key = &snapshot.ProviderKey{Secret: t.Secret}
	return c.Do(ctx, call)
}

// drain lets the connection be used again, unless that would take long.
func drain(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // an end before that is what is hoped for
	response.Body.Close()
}
