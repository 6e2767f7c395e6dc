package graph

import (
	"context"
	"net/http"
	"strings"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/snapshot"
	"aihigress/internal/web"
)

// An authenticator says who is asking.
type authenticator struct {
	auth       *auth.Auth
	snapshots  *snapshot.Store
	sameOrigin *http.CrossOriginProtection
}

func newAuthenticator(o Options) authenticator {
	return authenticator{auth: o.Auth, snapshots: o.Snapshots, sameOrigin: http.NewCrossOriginProtection()}
}

// errToken is the one refusal of a bearer token, whatever is wrong with it.
var errToken = fault.New(fault.Unauthenticated, "the token is not valid")

// authenticate puts the actor into the request's context: who the Authorization header names, or whom the console's cookie
// does, or nobody, who may sign in. A header that is wrong is an error.
func (a authenticator) authenticate(r *http.Request) (context.Context, error) {
	actor, err := a.actor(r.Context(), r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	if actor.Kind == authz.Anonymous && a.fromHere(r) {
		if actor, err = a.cookie(r); err != nil {
			return nil, err
		}
	}
	return authz.With(r.Context(), actor), nil
}

// actor is who an Authorization header names; nobody where it is empty.
func (a authenticator) actor(ctx context.Context, authorization string) (authz.Actor, error) {
	if authorization == "" {
		return authz.Actor{Kind: authz.Anonymous, IP: clientIP(ctx)}, nil
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return authz.Actor{}, errToken
	}
	token = strings.TrimSpace(token)
	if strings.HasPrefix(token, apikey.Prefix) {
		return a.key(ctx, token)
	}
	actor, err := a.auth.VerifyAccess(ctx, token)
	if err != nil {
		return authz.Actor{}, err
	}
	actor.IP = clientIP(ctx)
	return actor, nil
}

// key is the actor behind a gateway key. It needs the platform scope.
func (a authenticator) key(ctx context.Context, token string) (authz.Actor, error) {
	hash, err := apikey.Parse(token)
	if err != nil {
		return authz.Actor{}, errToken
	}
	key, ok := a.snapshots.Current().KeyByHash(hash)
	if !ok || !key.Admits(string(apikey.Platform), web.ClientIP(ctx), time.Now()) {
		return authz.Actor{}, errToken
	}
	return authz.Actor{Kind: authz.Key, Name: key.Hint, UserID: key.UserID, Role: key.Role, KeyID: key.ID, IP: clientIP(ctx)}, nil
}

// fromHere reports whether a request comes from a page of our own, or from no browser at all. Reading is checked like
// writing: a cookie counts for nothing on behalf of another site.
func (a authenticator) fromHere(r *http.Request) bool {
	asWrite := r.Clone(r.Context())
	asWrite.Method = http.MethodPost
	return a.sameOrigin.Check(asWrite) == nil
}

// cookie is whom the console's cookie names; nobody where there is none or its session has ended.
func (a authenticator) cookie(r *http.Request) (authz.Actor, error) {
	nobody := authz.Actor{Kind: authz.Anonymous, IP: clientIP(r.Context())}
	cookies := a.auth.Cookies()
	kept, err := r.Cookie(cookies.Cookie.Name)
	if err != nil {
		return nobody, nil //nolint:nilerr // no cookie
	}
	ctx, err := cookies.Load(r.Context(), kept.Value)
	if err != nil {
		return authz.Actor{}, err
	}
	session, err := id.Parse[id.Session](cookies.GetString(ctx, auth.CookieSession))
	if err != nil {
		return nobody, nil //nolint:nilerr // signed out
	}
	actor, err := a.auth.SessionActor(r.Context(), session)
	if fault.KindOf(err) == fault.Unauthenticated {
		return nobody, nil
	}
	actor.IP = nobody.IP
	return actor, err
}

// valid reports whether the actor of a stream may still be there. It asks memory only.
func (a authenticator) valid(ctx context.Context) bool {
	actor, _ := authz.From(ctx)
	now := a.snapshots.Current()
	switch actor.Kind {
	case authz.User:
		role, active := now.UserActive(actor.UserID)
		return active && role == actor.Role && !now.SessionRevoked(actor.Session)
	case authz.Key:
		key, ok := now.KeyByID(actor.KeyID)
		return ok && !key.Expired(time.Now())
	}
	return true
}

// deny answers who could not be authenticated.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, media string, err error) {
	shown := present(r.Context(), err)
	status := http.StatusServiceUnavailable
	if fault.KindOf(err) == fault.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
		status = http.StatusUnauthorized
	}
	code, _ := shown.Extensions["code"].(string)
	refuse(w, media, status, code, shown.Message)
}

func clientIP(ctx context.Context) string {
	if ip := web.ClientIP(ctx); ip.IsValid() {
		return ip.String()
	}
	return ""
}
