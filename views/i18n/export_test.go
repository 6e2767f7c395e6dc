package i18n

// Catalogue shows the Chinese texts by their English to the tests.
func Catalogue() map[string]string { return chinese }
