"""What takes long: jobs as rows, workers that claim them, and the processes of the service.

    models  jobs                 the rows; asking for one, and sending it
    attempts  sweeping           one worker's hold on a row; what was lost
    tasks  importing  previews   what each kind of job does
    mails  deliveries  outgoing  messages until they are sent; a request to a typed address
    celery  clock  processes     the queues; what is due when; the service's processes
    sample  large                the story to try it on; a large data set, made up

Workers know how to run things, not what they mean.
"""
