// Sends three spans of a request as OTLP/JSON. Arguments: endpoint, compression (none or gzip).
import { SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [url, compression] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({ url, compression });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-node" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("shop");
const root = tracer.startSpan("request");
const below = trace.setSpan(context.active(), root);
const chat = tracer.startSpan("chat", { attributes: {
  "gen_ai.operation.name": "chat",
  "gen_ai.request.model": "smollm2-135m-instruct",
  "gen_ai.usage.input_tokens": 41,
  "gen_ai.usage.output_tokens": 7,
  "gen_ai.response.finish_reasons": ["stop"],
} }, below);
chat.end();
const tool = tracer.startSpan("execute_tool", { attributes: {
  "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "recommend", "error.type": "TimeoutError",
} }, below);
tool.setStatus({ code: SpanStatusCode.ERROR });
tool.end();
root.end();
await provider.shutdown();
