// BullMQ with no-op jobs of 100 bytes, in one role a process:
//
//   node bullmq.mjs bulk|lone URL TASKS   adds them, and says when it began and ended
//   node bullmq.mjs work URL TASKS        says that it is ready, and when the last was done
//
// Times are nanoseconds of the machine's monotonic clock, which its processes share.
import { Queue, Worker } from 'bullmq'

const [role, url, count] = process.argv.slice(2)
const tasks = Number(count)
const { hostname: host, port } = new URL(url)
const connection = { host, port: Number(port), maxRetriesPerRequest: null }
const data = 'x'.repeat(98) // 100 bytes of JSON, as for all others
const now = () => Number(process.hrtime.bigint())
const say = (what) => console.log(JSON.stringify(what))
const options = { removeOnComplete: true, removeOnFail: true }

async function add() {
  const queue = new Queue('bench', { connection })
  await queue.waitUntilReady()
  const began = now()
  if (role === 'bulk') {
    for (let n = 0; n < tasks; n += 1000) {
      const size = Math.min(1000, tasks - n)
      await queue.addBulk(Array.from({ length: size }, () => ({ name: 'noop', data, opts: options })))
    }
  } else {
    let left = tasks
    const some = async () => {
      while (left-- > 0) await queue.add('noop', data, options)
    }
    await Promise.all(Array.from({ length: 64 }, some))
  }
  say({ began, ended: now() })
  await queue.close()
}

async function work() {
  let left = tasks
  const worker = new Worker('bench', async () => {}, { connection, concurrency: 500 })
  const done = new Promise((resolve) => worker.on('completed', () => --left === 0 && resolve()))
  await worker.waitUntilReady()
  say({ began: now() })
  await done
  say({ ended: now() })
  await worker.close()
}

await (role === 'work' ? work() : add())
