const QUEUES = /^(Kafka|RabbitMQ|NATS|S3Queue|AzureQueue|FileLog)$/

/** Does a table of this engine consume what it reads, from the moment that a view reads it? */
export function isQueue({ engine }: { readonly engine: string }): boolean {
  return QUEUES.test(engine)
}
