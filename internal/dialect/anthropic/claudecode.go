package anthropic

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// claudeCode is how the system prompt of Claude Code begins, in a block of its own; variants of it go on behind.
	claudeCode = "You are Claude Code, Anthropic's official CLI for Claude"
	// claudeCodeBlock is that block.
	claudeCodeBlock = claudeCode + "."
	// claudeUser is how the metadata.user_id of Claude Code begins: user_<64 hex>_account__session_<uuid>.
	claudeUser = "user_"
	// claudeUserJSON is how that of later versions begins, an object with the same three parts.
	claudeUserJSON = "{"
)

// isClaudeUser reports whether a metadata.user_id looks like Claude Code's.
func isClaudeUser(id string) bool {
	return strings.HasPrefix(id, claudeUser) || strings.HasPrefix(id, claudeUserJSON)
}

// claudeUserID makes up a metadata.user_id of Claude Code's form. It depends on its arguments alone: requests with the same
// system prompt are one session to the vendor, whose prompt cache is found again.
func claudeUserID(model string, parts ...[]byte) string {
	h := sha256.New()
	h.Write([]byte(model))
	for _, part := range parts {
		fmt.Fprintf(h, "\n%d\n", len(part))
		h.Write(part)
	}
	user := h.Sum(nil)
	session := sha256.Sum256(append([]byte("session\n"), user...))
	session[6] = session[6]&0x0f | 0x40 // version 4
	session[8] = session[8]&0x3f | 0x80 // variant 1
	s := hex.EncodeToString(session[:16])
	return "user_" + hex.EncodeToString(user) + "_account__session_" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
