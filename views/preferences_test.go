package views_test

import "testing"

func TestLanguageAndTheme(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser(t)
	b.get("/login").is(200).shows(`<html lang="en">`, "Sign in")
	b.header.Set("Accept-Language", "zh-CN,zh;q=0.9")
	b.get("/login").is(200).shows(`<html lang="zh-CN">`, "登录").hides("Sign in")

	b.post("/preferences", "lang", "en", "next", "/login?next=/keys").redirects("/login?next=/keys")
	b.get("/login").is(200).shows(`<html lang="en">`)
	b.post("/preferences", "theme", "dark", "next", "https://evil.example").redirects("/")
	b.get("/login").is(200).shows(`<html lang="en" data-theme="dark">`)
	b.post("/preferences", "theme", "nonsense", "next", "/").redirects("/")
	b.get("/login").is(200).hides("data-theme")

	b.post("/preferences", "lang", "zh-CN").redirects("/")
	b.post("/login", "email", adminEmail, "password", "wrong").is(422).shows("邮箱或密码错误。")
	b.post("/login", "email", adminEmail, "password", password).redirects("/")
	b.post("/keys/new", "name", "").is(422).hides("must", "needed")
}
