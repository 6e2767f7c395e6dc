package failure_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
)

var paths = jsonscan.Compile(map[string]jsonscan.ID{
	"error": failure.Object, "error.message": failure.Message, "error.code": failure.Code, "message": failure.Bare, "request_id": failure.Request,
})

func TestRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("m", 5000)
	for _, tt := range []struct {
		body, message, code string
		status              int
		found               bool
	}{
		{`{"error":{"message":"a","code":"c"},"message":"b"}`, "a", "c", 0, true},
		{"\ufeff" + `{"error":{"code":429,"message":"a`, "a", "429", 429, true},
		{`{"error":{"code":399}}`, "", "399", 0, true},
		{`{"error":"a text","message":"b"}`, "a text", "", 0, true},
		{`{"error":{"message":"first","message":"second"}}`, "first", "", 0, true},
		{`{"error":null,"message":"at the top"}`, "at the top", "", 0, false},
		{`{"message":"` + long + `"}`, long[:4096], "", 0, false},
		{"{\"message\":\"a\xffb\"}", "ab", "", 0, false},
		{`<html>`, "", "", 0, false},
	} {
		s := failure.Read(paths, []byte(tt.body))
		e := s.Error("origin", s.Status(0))
		if e.Message != tt.message || e.Code != tt.code || e.Status != tt.status || s.Found() != tt.found || e.Origin != "origin" {
			t.Errorf("%.60s: found %t, %+v", tt.body, s.Found(), e)
		}
		if s.Status(500) != 500 {
			t.Errorf("%.60s: its code beats the status", tt.body)
		}
		s.Reset()
		if e = s.Error("", 0); s.Found() || e.Message != "" || e.Code != "" {
			t.Errorf("%.60s: reset it still says %+v", tt.body, e)
		}
	}
}
