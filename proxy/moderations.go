package proxy

import (
	"aihigress/internal/dialect/openai"
	"aihigress/internal/upstream"
)

var moderations = endpoint{dialect: reports(openai.Moderations, false, false), operation: upstream.Moderate, path: "/moderations", beside: true}
