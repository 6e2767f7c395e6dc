package graph

import "testing"

func TestSignInRefreshAndSignOut(t *testing.T) {
	t.Parallel()
	h := open(t)
	const signIn = `mutation($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) {
		accessToken refreshToken expiresAt viewer { email } userErrors { code } } }`
	h.same("a wrong password", h.failed("", signIn, map[string]any{"e": h.member.Email, "p": "wrong"}), "UNAUTHENTICATED")
	h.same("nobody of that name", h.failed("", signIn, map[string]any{"e": "none@example.com", "p": password}), "UNAUTHENTICATED")

	in := h.data("", signIn, map[string]any{"e": h.member.Email, "p": password}).Get("signIn")
	h.same("the viewer", in.Get("viewer.email"), h.member.Email)
	token := "Bearer " + in.Get("accessToken").String()
	h.same("who the token is", h.data(token, "{ viewer { email } }", nil).Get("viewer.email"), h.member.Email)
	sessions := h.data(token, "{ viewer { sessions { id current userAgent user { email } } } }", nil).Get("viewer.sessions")
	h.same("sessions", len(sessions.Array()), 2)
	h.same("the one that asks", sessions.Get("#(current==true).userAgent"), "Go-http-client/1.1")
	h.same("whose they are", sessions.Get("#.user.email"), `["member@example.com","member@example.com"]`)

	const refresh = `mutation($t: String!) { refreshSession(input: {refreshToken: $t}) { accessToken refreshToken expiresAt viewer { email } userErrors { code } } }`
	next := h.data("", refresh, map[string]any{"t": in.Get("refreshToken").String()}).Get("refreshSession")
	h.same("who refreshed", next.Get("viewer.email"), h.member.Email)
	if next.Get("refreshToken").String() == in.Get("refreshToken").String() {
		t.Error("the refresh token was not replaced")
	}
	h.same("a made-up refresh token", h.failed("", refresh, map[string]any{"t": "x"}), "UNAUTHENTICATED")

	const signOut = `mutation { signOut { signedOut userErrors { code } } }`
	h.same("signed out", h.data(token, signOut, nil).Get("signOut.signedOut"), true)
	h.reload()
	h.same("the token after that", h.failed(token, "{ viewer { email } }", nil), "UNAUTHENTICATED")
	h.same("nobody's signOut", h.failed("", signOut, nil), "UNAUTHENTICATED")
}

func TestSessionsAreRevoked(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.signIn(h.member.User)
	const revoke = `mutation($id: ID!) { revokeSession(input: {id: $id}) { revokedId userErrors { code } } }`
	ses := map[string]any{"id": other.session.String()}
	h.same("the revoked", h.data(h.member.token, revoke, ses).Get("revokeSession.revokedId"), other.session)
	h.reload()
	h.same("its token", h.failed(other.token, "{ viewer { email } }", nil), "UNAUTHENTICATED")
	h.same("another's session", h.refused(h.member.token, revoke, map[string]any{"id": h.admin.session.String()}), "NOT_FOUND")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.signIn(h.member.User)
	const change = `mutation($old: String!, $new: String!) { changePassword(input: {currentPassword: $old, newPassword: $new}) { user { email } userErrors { code path } } }`
	h.same("too short", h.refused(h.member.token, change, map[string]any{"old": password, "new": "short"}), "INVALID newPassword")
	done := h.data(h.member.token, change, map[string]any{"old": password, "new": "another long one"})
	h.same("whose", done.Get("changePassword.user.email"), h.member.Email)
	h.reload()
	h.same("the other session", h.failed(other.token, "{ viewer { email } }", nil), "UNAUTHENTICATED")
	h.same("this session", h.data(h.member.token, "{ viewer { email } }", nil).Get("viewer.email"), h.member.Email)
}
