package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// callTimeout bounds one call that is not a stream.
const callTimeout = 20 * time.Second

// A graph is a GraphQL client, as a script would be written.
type graph struct {
	url    string // of the gateway
	token  string // access token or gateway key
	viewer string // id of the user who signed in
}

// signIn signs a user in.
func signIn(t testing.TB, url, email, password string) *graph {
	t.Helper()
	g := &graph{url: url}
	var in struct {
		SignIn struct {
			AccessToken, RefreshToken string
			ExpiresAt                 time.Time
			Viewer                    struct{ ID, Email string }
		}
	}
	g.do(t, `mutation($email: String!, $password: String!) {
		signIn(input: {email: $email, password: $password}) { accessToken refreshToken expiresAt viewer { id email } userErrors { message } }
	}`, vars{"email": email, "password": password}, &in)
	if s := in.SignIn; s.AccessToken == "" || s.RefreshToken == "" || !s.ExpiresAt.After(time.Now()) || s.Viewer.Email != email {
		t.Fatalf("signed in: %+v", s)
	}
	g.token, g.viewer = in.SignIn.AccessToken, in.SignIn.Viewer.ID
	return g
}

// vars are the variables of a GraphQL operation.
type vars map[string]any

// do sends an operation and reads its data. The test fails on any error, also on those that are data.
func (g *graph) do(t testing.TB, query string, v vars, into any) {
	t.Helper()
	if err := g.try(t.Context(), query, v, into); err != nil {
		t.Fatalf("graphql: %v", err)
	}
}

// try is do for operations that may be refused.
func (g *graph) try(ctx context.Context, query string, v vars, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := g.post(ctx, "application/json", query, v)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Data   map[string]json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("status %d: %.300s", resp.StatusCode, raw)
	}
	var problems []error
	for _, e := range answer.Errors {
		problems = append(problems, errors.New(e.Message))
	}
	for field, data := range answer.Data {
		var payload struct{ UserErrors []userError }
		if json.Unmarshal(data, &payload) == nil {
			for _, e := range payload.UserErrors {
				problems = append(problems, fmt.Errorf("%s: %w", field, e))
			}
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if into == nil {
		return nil
	}
	data, err := json.Marshal(answer.Data)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// post sends an operation and leaves the answer to the caller.
func (g *graph) post(ctx context.Context, accept, query string, v vars) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": v})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	return http.DefaultClient.Do(req)
}

// A userError is a refusal as data.
type userError struct{ Code, Message string }

func (e userError) Error() string { return e.Code + ": " + e.Message }
